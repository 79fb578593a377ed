"""The verifier: the checks in their order. What they need, they ask of the documents."""

import time
from collections.abc import Callable, Iterable
from typing import Literal

from perennial.messages import Transport
from perennial.transport import UrllibTransport
from perennial.verify import compact
from perennial.verify.access_token import AccessToken, Expected
from perennial.verify.document import Steps
from perennial.verify.drive import awaiting, blocking
from perennial.verify.errors import Unavailable
from perennial.verify.flight import Spawn, spawn
from perennial.verify.introspection import Introspection, Introspector
from perennial.verify.issuer import Issuer, World
from perennial.verify.keys import ASYMMETRIC
from perennial.verify.status_list import StatusLists

LONGEST_TOKEN = 16_384
TYPE = "at+jwt"
StatusListMode = Literal["enforce", "best_effort", "off"]


class _Rules:
    """What `Verifier` and `AsyncVerifier` have in common, which is everything but the waiting.

    `audience` is this resource server's own identifier, or several. `leeway` is in seconds and for
    `iat` and `nbf`. `stale_keys`: how many seconds longer than the issuer allows its keys are used
    while it is away. `unknown_key_pause`: an unknown `kid` makes us ask the issuer again, once in so
    many seconds. `status_list`: "enforce" refuses when a list cannot be had, "best_effort" accepts
    then. `timeout`, in seconds, bounds every wait.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Iterable[str],
        algorithms: Iterable[str] = ("RS256",),
        *,
        jwks_uri: str | None = None,
        leeway: float = 10,
        stale_keys: float = 3600,
        unknown_key_pause: float = 10,
        status_list: StatusListMode = "enforce",
        introspection: Introspection | None = None,
        timeout: float = 5,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251  # the default of an argument
        timer: Callable[[], float] = time.monotonic,
        spawn: Spawn = spawn,
    ) -> None:
        self._algorithms = _checked(algorithms)
        audiences = frozenset([audience] if isinstance(audience, str) else audience)
        if not audiences or "" in audiences:
            raise ValueError("an audience was expected")
        if status_list not in {"enforce", "best_effort", "off"}:
            raise ValueError('status_list must be "enforce", "best_effort" or "off"')
        world = World(clock, timer, transport or UrllibTransport(), spawn, timeout)
        self._world = world
        self._issuer = Issuer(
            issuer, world, jwks_uri=jwks_uri, stale=stale_keys, pause=unknown_key_pause
        )
        self._expected = Expected(issuer, audiences, leeway)
        self._mode = status_list
        self._lists = StatusLists(self._issuer, world, algorithms=self._algorithms, leeway=leeway)
        self._introspector = (
            None if introspection is None else Introspector(introspection, self._issuer, world)
        )

    def can_introspect(self) -> bool:
        return self._introspector is not None

    def _steps(self, text: str, scope: str | None, *, sensitive: bool) -> Steps[AccessToken]:
        if sensitive and self._introspector is None:
            raise ValueError("a sensitive call needs introspection, which is not configured")
        token = yield from self._read(text)
        if self._mode != "off":
            yield from self._not_taken_back(token)
        introspector = self._introspector
        if introspector is not None and (sensitive or introspector.how.when == "always"):
            yield from introspector.check(text, token)
        # Last, so that a token that is over is called that, whatever its scope.
        token.require(frozenset((scope or "").split()))
        return token

    def _read(self, text: str) -> Steps[AccessToken]:
        presented = compact.parse(
            text, typ=TYPE, algorithms=self._algorithms, longest=LONGEST_TOKEN
        )
        key = yield from self._issuer.key(presented.kid)
        return self._expected.read(presented.claims(key), self._world.clock())

    def _not_taken_back(self, token: AccessToken) -> Steps[None]:
        try:
            yield from self._lists.check(token)
        except Unavailable:
            if self._mode == "enforce":
                raise


def _checked(algorithms: Iterable[str]) -> frozenset[str]:
    """Symmetric ones would make the public key a shared secret, `none` needs no key at all."""
    chosen = frozenset([algorithms] if isinstance(algorithms, str) else algorithms)
    if not chosen or not chosen <= ASYMMETRIC:
        raise ValueError(f"algorithms must be among {', '.join(sorted(ASYMMETRIC))}")
    return chosen


class Verifier(_Rules):
    """Thread-safe; make one and keep it. No thread of it lives longer than one request to the
    issuer, so a fork does not hurt it.
    """

    def verify(
        self, token: str, *, scope: str | None = None, sensitive: bool = False
    ) -> AccessToken:
        """The token's meaning, or `InvalidToken`, `InsufficientScope` or `Unavailable`."""
        return blocking(self._steps(token, scope, sensitive=sensitive), self._world.timeout)


class AsyncVerifier(_Rules):
    """The same for asyncio: requests to the issuer are made in threads, never in the loop."""

    async def verify(
        self, token: str, *, scope: str | None = None, sensitive: bool = False
    ) -> AccessToken:
        """As `Verifier.verify`."""
        return await awaiting(self._steps(token, scope, sensitive=sensitive), self._world.timeout)
