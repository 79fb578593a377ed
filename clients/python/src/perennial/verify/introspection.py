"""Asking the issuer about a token (RFC 7662), for who has to know what is true right now."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

from perennial.messages import Request, TransportError, safe_url
from perennial.verify import strict
from perennial.verify.access_token import AccessToken
from perennial.verify.document import LOG, Steps, cause
from perennial.verify.errors import InvalidToken, Reason, Unavailable
from perennial.verify.issuer import Issuer, World

LONGEST_ANSWER = 256 * 1024
IDENTIFYING = ("iss", "sub", "client_id", "jti")


@dataclass(frozen=True, slots=True)
class Introspection:
    """`when` is "always", or "sensitive" for calls of `verify(…, sensitive=True)` only. The
    endpoint comes from the issuer's metadata unless it is given.
    """

    client_id: str
    client_secret: str = field(repr=False)
    when: Literal["always", "sensitive"] = "sensitive"
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if self.when not in {"always", "sensitive"}:
            raise ValueError('when must be "always" or "sensitive"')
        if self.endpoint is not None:
            safe_url(self.endpoint)

    @property
    def authorization(self) -> str:
        """Both parts form-encoded first (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return "Basic " + b64encode(pair.encode()).decode()


class Introspector:
    def __init__(self, how: Introspection, issuer: Issuer, world: World) -> None:
        self.how = how
        self._issuer, self._world = issuer, world

    def check(self, text: str, token: AccessToken) -> Steps[None]:
        """Answers are not kept: whoever asks wants to know it now."""
        endpoint = self.how.endpoint or (yield from self._announced())
        said: list[dict[str, Any]] = []
        yield self._world.spawn(lambda: self._ask(endpoint, text, said))
        if not said:
            raise Unavailable("introspection")
        answer = said[0]
        same = all(
            answer.get(name, token.claims[name]) == token.claims[name] for name in IDENTIFYING
        )
        if answer.get("active") is not True or not same:
            raise InvalidToken(Reason.INACTIVE)

    def _announced(self) -> Steps[str]:
        try:
            metadata = yield from self._issuer.metadata()
        except Unavailable:
            raise Unavailable("introspection") from None
        if metadata.introspection_endpoint is None:
            raise Unavailable("introspection")
        return metadata.introspection_endpoint

    def _ask(self, endpoint: str, text: str, said: list[dict[str, Any]]) -> None:
        try:
            said.append(self._answer(endpoint, text))
        except Exception as error:  # noqa: BLE001  # no answer, whatever the reason
            LOG.warning("the issuer could not be asked about a token: %s", cause(error))

    def _answer(self, endpoint: str, text: str) -> dict[str, Any]:
        form = urlencode({"token": text, "token_type_hint": "access_token"}).encode()
        headers = {
            "Accept": "application/json",
            "Authorization": self.how.authorization,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = self._world.transport(
            Request(endpoint, self._world.timeout, LONGEST_ANSWER, headers, form)
        )
        if answer.status != 200:  # noqa: PLR2004
            raise TransportError(f"status {answer.status}")
        return strict.json_object(answer.body)
