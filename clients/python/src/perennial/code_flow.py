"""Sign in with a browser: the authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636)."""

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import parse_qsl, urlencode, urlsplit

from perennial import answers
from perennial.errors import ConfigError, ProtocolError, SignInError
from perennial.server import Server

NOISE = 32
CREATED = 201


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that has begun in a browser, and waits for its answer. Keep it where only this
    browser's next request finds it.
    """

    client_id: str
    redirect_uri: str
    issuer: str | None = None
    state: str = field(default="", repr=False)
    verifier: str = field(default="", repr=False)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Pending":
        """`ValueError` when it is none."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict) or said.keys() != {each.name for each in fields(cls)}:
            raise ValueError("that is no sign-in that has begun")
        return cls(**said)


def begin(
    server: Server,
    redirect_uri: str,
    wishes: Mapping[str, str | None],
    noise: Callable[[int], bytes] = os.urandom,
) -> tuple[str, Pending]:
    """Where to send the browser, and what `finish` needs to know. `wishes` are more parameters of the
    request; None leaves one out. A server that offers it is asked in advance (RFC 9126), so that none
    of them goes through the browser. `ConfigError`, `SignInError`, `Unreachable`.
    """
    endpoints = server.endpoints()
    if endpoints.authorization is None:
        raise ConfigError("the server has no authorization endpoint")
    state, verifier = _text(noise(NOISE)), _text(noise(NOISE))
    pending = Pending(server.client.id, redirect_uri, server.issuer, state, verifier)
    client = {"client_id": server.client.id}
    asked = {
        **client,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": _text(sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
        **{name: value for name, value in wishes.items() if value is not None},
    }
    if endpoints.pushed_authorization_request is not None:
        uri = _push(server, endpoints.pushed_authorization_request, asked)
        asked = {**client, "request_uri": uri}
    joint = "&" if urlsplit(endpoints.authorization).query else "?"
    return f"{endpoints.authorization}{joint}{urlencode(asked)}", pending


def _push(server: Server, url: str, asked: Mapping[str, str]) -> str:
    response = server.ask(url, asked)
    said = answers.object_of(response)
    uri = said.get("request_uri")
    if response.status == CREATED and isinstance(uri, str):
        return uri
    secrets = answers.secrets_of(asked, server.client.secret)
    answer = answers.read(response, asked_at=0, secrets=secrets)
    match answer:
        case answers.Refused(code, description):
            raise SignInError(code, description)
        case answers.Unsettled(error):
            raise error
    raise ProtocolError("the server did not keep the request")


def finish(server: Server, pending: Pending, callback_url: str) -> dict[str, str]:
    """The grant to ask the token endpoint for, by the URL that the browser came back to.
    `SignInError` when the server says no, and when the answer is not to this request, or comes from
    another server than the one that was asked (RFC 9207 §2.4).
    """
    if (pending.client_id, pending.issuer) != (server.client.id, server.issuer):
        raise SignInError("issuer_mismatch", "it began with another server or client")
    said = _parameters(callback_url)
    if not compare_digest(said.get("state", "").encode(), pending.state.encode()):
        raise SignInError("state_mismatch", "the answer is not to this request")
    named = said.get("iss")
    if named is None and server.endpoints().names_issuer:
        raise SignInError("issuer_mismatch", "the answer does not say which server it is from")
    if named is not None and pending.issuer is not None and named != pending.issuer:
        raise SignInError("issuer_mismatch", "the answer is from another server")
    if "error" in said:
        description = answers.shown(said.get("error_description"), [pending.verifier])
        raise SignInError(answers.code_of(said["error"]) or "invalid_answer", description)
    if not said.get("code"):
        raise SignInError("invalid_answer", "it has no code")
    return {
        "grant_type": "authorization_code",
        "code": said["code"],
        "redirect_uri": pending.redirect_uri,
        "code_verifier": pending.verifier,
    }


def _parameters(callback_url: str) -> dict[str, str]:
    """Each at most once (RFC 6749 §3.1)."""
    pairs = parse_qsl(urlsplit(callback_url).query, keep_blank_values=True)
    said = dict(pairs)
    if len(said) != len(pairs):
        raise SignInError("invalid_answer", "a parameter is there twice")
    return said


def _text(noise: bytes) -> str:
    return urlsafe_b64encode(noise).rstrip(b"=").decode()
