"""The authorization server, as a client meets it: its metadata, its token endpoint, revocation."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

from perennial import answers
from perennial.answers import Answer, Unsettled
from perennial.clock import Clock
from perennial.errors import ConfigError, ProtocolError, SessionError, Unreachable
from perennial.messages import Request, Response, Transport, TransportError, safe_url
from perennial.record import Owner

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
ABSENT = {404, 410}
LONGEST = 65_536
FINAL = {200, 400, 401, 403, 404, 405, 410, 501}
AGENT = "perennial-client"
LOG = logging.getLogger("perennial")
FORM = "application/x-www-form-urlencoded"


class Endpoints(NamedTuple):
    """URLs, as RFC 8414 names them without `_endpoint`. `replays` says that a refresh whose answer
    was lost may be repeated (metadata `refresh_token_replay_supported`).
    """

    token: str
    revocation: str | None = None
    authorization: str | None = None
    device_authorization: str | None = None
    pushed_authorization_request: str | None = None
    replays: bool = False
    names_issuer: bool = False
    """Whether every answer of the authorization endpoint carries `iss` (RFC 9207 §3)."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: a public client, or with a secret a confidential one (RFC 6749 §2.3.1)."""

    id: str
    secret: str | None = field(default=None, repr=False)

    def sign(self, form: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The form and the headers that say who asks."""
        headers = {"Content-Type": FORM, "Accept": "application/json", "User-Agent": AGENT}
        if self.secret is None:
            return {**form, "client_id": self.id}, headers
        from base64 import b64encode  # noqa: PLC0415  # a public client needs none

        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}".encode()
        return dict(form), {**headers, "Authorization": f"Basic {b64encode(pair).decode()}"}


class Server:
    """`timeout`, in seconds, bounds every request. With `endpoints` no metadata is asked for."""

    def __init__(
        self,
        issuer: str | None,
        client: Client,
        transport: Transport,
        clock: Clock,
        *,
        endpoints: Endpoints | None,
        timeout: float,
    ) -> None:
        if issuer is None and endpoints is None:
            raise ConfigError("an issuer or its endpoints are needed")
        self.issuer = None if issuer is None else _safe(issuer)
        self.client = client
        self.timeout = timeout
        self._transport, self._clock, self._endpoints = transport, clock, endpoints

    @property
    def owner(self) -> Owner:
        """Whose the sessions are that begin here."""
        return {"issuer": self.issuer, "client_id": self.client.id}

    def endpoints(self) -> Endpoints:
        """Asked for once (RFC 8414; where that is not there, OpenID Connect Discovery). `Unreachable`
        when it cannot be had; `ConfigError` when it is another issuer's (§3.3).
        """
        if self._endpoints is None:
            self._endpoints = self._discover(self.issuer or "")
        return self._endpoints

    @property
    def is_known(self) -> bool:
        return self._endpoints is not None

    @property
    def replays(self) -> bool:
        """Whether it has said that it does; no request is made to find out."""
        return self._endpoints is not None and self._endpoints.replays

    def grant(self, form: Mapping[str, str], *, key: str | None = None) -> Answer:
        """Ask the token endpoint; `key` is the `Idempotency-Key`. `ConfigError` as above."""
        try:
            url = self.endpoints().token
        except Unreachable as error:
            return Unsettled(error, reached=False, wait=getattr(error, "retry_after", None))
        extra = {} if key is None else {"Idempotency-Key": key}
        asked_at = self._clock.wall()
        try:
            response = self._post(url, form, extra)
        except TransportError as failure:
            return answers.unsent(failure)
        secrets = answers.secrets_of(form, self.client.secret)
        return answers.read(response, asked_at=asked_at, secrets=secrets)

    def revoke(self, token: str | None) -> bool:
        """Whether the server knows now that this refresh token is over (RFC 7009), as far as it is
        ever going to: it may have no endpoint for that, or refuse to hear of it.
        """
        try:
            url = self.endpoints().revocation
            if url is None or token is None:
                return True
            answer = self._post(url, {"token": token, "token_type_hint": "refresh_token"}, {})
        except (SessionError, TransportError):
            return False
        except Exception:
            LOG.exception("a refresh token could not be revoked")
            return False
        return answer.media_type != "text/html" and answer.status in FINAL

    def ask(self, url: str, form: Mapping[str, str]) -> Response:
        """Another endpoint, with the client's authentication. `Unreachable` without an answer."""
        try:
            return self._post(url, form, {})
        except TransportError as failure:
            raise answers.unsent(failure).error from None

    def _post(self, url: str, form: Mapping[str, str], extra: Mapping[str, str]) -> Response:
        signed, headers = self.client.sign(form)
        body = urlencode(signed).encode()
        return self._transport(
            Request(_safe(url), self.timeout, LONGEST, {**headers, **extra}, body)
        )

    def _get(self, url: str) -> Response:
        headers = {"Accept": "application/json", "User-Agent": AGENT}
        try:
            return self._transport(Request(url, self.timeout, LONGEST, headers))
        except TransportError as failure:
            raise answers.unsent(failure).error from None

    def _discover(self, issuer: str) -> Endpoints:
        # RFC 8414 §3.1: the well-known part goes between host and path, in OpenID Connect behind it.
        parts = urlsplit(issuer)
        response = self._get(f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}")
        if response.status in ABSENT:
            response = self._get(f"{issuer.rstrip('/')}{OPENID}")
        said = _metadata(response, self._clock.wall())
        if said.get("issuer") != issuer:
            named = answers.shown(said.get("issuer"))
            raise ConfigError(f"the metadata are another issuer's: {named}".rstrip(": "))
        return _endpoints(said)


def _metadata(response: Response, now: float) -> dict[str, Any]:
    try:
        said = json.loads(response.body) if response.status == answers.OK else None
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        return said
    unsettled = answers.read(response, asked_at=now)
    if isinstance(unsettled, Unsettled):
        raise unsettled.error
    raise ProtocolError("the server's metadata cannot be read")


def _endpoints(said: Mapping[str, Any]) -> Endpoints:
    def url(name: str) -> str | None:
        value = said.get(f"{name}_endpoint")
        return _safe(value) if isinstance(value, str) else None

    token = url("token")
    if token is None:
        raise ConfigError("the metadata name no token endpoint")
    return Endpoints(
        token=token,
        revocation=url("revocation"),
        authorization=url("authorization"),
        device_authorization=url("device_authorization"),
        pushed_authorization_request=url("pushed_authorization_request"),
        replays=said.get("refresh_token_replay_supported") is True,
        names_issuer=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _safe(url: str) -> str:
    try:
        return safe_url(url)
    except ValueError as error:
        raise ConfigError(str(error)) from None
