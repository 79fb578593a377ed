"""What the issuer publishes about itself: where its keys are, and the keys (RFC 8414, RFC 7517)."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from perennial.messages import Request, Response, Transport, safe_url
from perennial.verify import keys, strict
from perennial.verify.document import Copy, Document, Keeping, Steps
from perennial.verify.drive import blocking
from perennial.verify.errors import InvalidToken, Reason
from perennial.verify.flight import Spawn
from perennial.verify.keys import Key, Keys

LONGEST = 512 * 1024
WELL_KNOWN = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, slots=True)
class World:
    """What is outside: time in UTC epoch seconds, a timer that only goes forward, HTTP, threads."""

    clock: Callable[[], float]
    timer: Callable[[], float]
    transport: Transport
    spawn: Spawn
    timeout: float

    def get(self, url: str, accept: str, longest: int, etag: str | None = None) -> Response:
        headers = {"Accept": accept, **({} if etag is None else {"If-None-Match": etag})}
        return self.transport(Request(url, self.timeout, longest, headers))


@dataclass(frozen=True, slots=True)
class Metadata:
    jwks_uri: str
    introspection_endpoint: str | None


class Issuer:
    """Its documents. `stale` and `pause` are seconds: how long old keys are used while the issuer
    is away, and how often an unknown key may make us ask again.
    """

    def __init__(
        self, name: str, world: World, *, jwks_uri: str | None, stale: float, pause: float
    ) -> None:
        self.name = safe_url(name)
        self._world, self._pause = world, pause
        self._jwks_uri = None if jwks_uri is None else safe_url(jwks_uri)
        self._metadata = Document(
            "metadata",
            ask=lambda etag: world.get(_metadata_url(name), "application/json", LONGEST, etag),
            read=self._read_metadata,
            keeping=Keeping(least=60, most=86_400, usual=3600, stale=stale),
            timer=world.timer,
            spawn=world.spawn,
        )
        self._keys: Document[Keys] = Document(
            "keys",
            ask=self._ask_keys,
            read=lambda answer: Copy(keys.parse(answer.body)),
            keeping=Keeping(least=10, most=86_400, usual=300, stale=stale),
            timer=world.timer,
            spawn=world.spawn,
        )

    def metadata(self) -> Steps[Metadata]:
        return self._metadata.get()

    def key(self, kid: str) -> Steps[Key]:
        """The key of that name, if there is one even after asking again."""
        known = yield from self._keys.get()
        if kid not in known:
            known = yield from self._keys.get_newer(self._pause)
        if kid not in known:
            raise InvalidToken(Reason.UNKNOWN_KEY)
        return known[kid]

    def _ask_keys(self, etag: str | None) -> Response:
        url = self._jwks_uri
        if url is None:
            url = blocking(self._metadata.get(), self._world.timeout).jwks_uri
        return self._world.get(url, "application/json, application/jwk-set+json", LONGEST, etag)

    def _read_metadata(self, answer: Response) -> Copy[Metadata]:
        said = strict.json_object(answer.body)
        # Another issuer's document would let it vouch for this one (RFC 8414 §3.3).
        if said.get("issuer") != self.name:
            raise ValueError("another issuer's metadata")
        endpoint = said.get("introspection_endpoint")
        return Copy(
            Metadata(
                jwks_uri=safe_url(str(said["jwks_uri"])),
                introspection_endpoint=None if endpoint is None else safe_url(str(endpoint)),
            )
        )


def _metadata_url(issuer: str) -> str:
    """RFC 8414 §3.1: the well-known part goes between host and path."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path.rstrip('/')}"
