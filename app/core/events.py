"""Facts worth telling an operator. No event carries a token, a secret or a password.

Session ids here are public ids. `docs/events.md` lists them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ALERT = "critical"


class Event:
    """Base of all events; `name` is what logs and metrics call it."""

    __slots__ = ()
    name: ClassVar[str]
    level: ClassVar[Level] = Level.INFO


@dataclass(frozen=True, slots=True)
class SignedIn(Event):
    """A session began."""

    name = "signed_in"
    session: str
    client: str
    user: str
    grant: str


@dataclass(frozen=True, slots=True)
class SignInRefused(Event):
    """`user` is empty when the name is unknown: people type passwords into the wrong field."""

    name = "sign_in_refused"
    level = Level.WARNING
    client: str
    user: str
    why: str


@dataclass(frozen=True, slots=True)
class ClientTokenIssued(Event):
    name = "client_token_issued"
    client: str


@dataclass(frozen=True, slots=True)
class Refreshed(Event):
    """A refresh was answered 200; `rule` says whether it rotated (R5, R8) or repeated."""

    name = "refreshed"
    session: str
    client: str
    generation: int
    rule: str


@dataclass(frozen=True, slots=True)
class RefreshHealed(Event):
    """The token was ahead of the database, which lost rotations: a fail-over or a restore."""

    name = "refresh_healed"
    level = Level.WARNING
    session: str
    client: str
    generation: int


@dataclass(frozen=True, slots=True)
class RefreshRefused(Event):
    name = "refresh_refused"
    level = Level.WARNING
    client: str
    session: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class ReuseDetected(Event):
    """A superseded token came back: somebody else holds a copy. The session is over."""

    name = "reuse_detected"
    level = Level.ALERT
    session: str
    client: str
    user: str
    behind_by: int


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    name = "session_ended"
    session: str
    client: str
    user: str
    why: str


@dataclass(frozen=True, slots=True)
class AccessTokenDenied(Event):
    name = "access_token_denied"
    client: str
    jti: str


@dataclass(frozen=True, slots=True)
class ClientRefused(Event):
    name = "client_refused"
    level = Level.WARNING
    client: str
    why: str


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """A request that no rule had to judge: malformed, misdirected or too large."""

    name = "request_refused"
    level = Level.WARNING
    error: str
    why: str


@dataclass(frozen=True, slots=True)
class DatabaseUnavailable(Event):
    name = "database_unavailable"
    level = Level.ALERT
    why: str


@dataclass(frozen=True, slots=True)
class SigningUnavailable(Event):
    name = "signing_unavailable"
    level = Level.ALERT
    why: str


@dataclass(frozen=True, slots=True)
class LimiterDegraded(Event):
    """Redis cannot be reached: failures are counted per host until it can."""

    name = "limiter_degraded"
    level = Level.WARNING
    why: str


@dataclass(frozen=True, slots=True)
class StoredHashDamaged(Event):
    name = "stored_password_hash_damaged"
    level = Level.ALERT
    user: str


@dataclass(frozen=True, slots=True)
class KeyCreated(Event):
    name = "key_created"
    kid: str


@dataclass(frozen=True, slots=True)
class KeyPromoted(Event):
    """`signs_from` is in UTC seconds and may lie ahead."""

    name = "key_promoted"
    kid: str
    signs_from: int


@dataclass(frozen=True, slots=True)
class KeyRetired(Event):
    name = "key_retired"
    kid: str


@dataclass(frozen=True, slots=True)
class NotReady(Event):
    """A readiness check failed."""

    name = "not_ready"
    level = Level.ALERT
    check: str
    why: str
