"""Facts worth telling an operator. No event carries a token, a secret or a password.

Session ids here are public ids. `docs/events.md` lists them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Level(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
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
    """A client got a token for itself."""

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
class RepeatedElsewhere(Event):
    """The token superseded last was answered with its successor, but the request came from another
    address or program than the rotation: a client that moved, or a thief inside the window.
    """

    name = "repeated_elsewhere"
    level = Level.WARNING
    session: str
    client: str
    generation: int


@dataclass(frozen=True, slots=True)
class RefreshRefused(Event):
    """`rule` is the row of the decision table, `why` the precise reason; nothing changed."""

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
    """Somebody ended one session before its time."""

    name = "session_ended"
    session: str
    client: str
    user: str
    why: str


@dataclass(frozen=True, slots=True)
class UserSessionsEnded(Event):
    """Every session of the person that began by `ended_at` (UTC milliseconds) is over."""

    name = "user_sessions_ended"
    user: str
    why: str
    ended_at: int


@dataclass(frozen=True, slots=True)
class SessionsPurged(Event):
    """The rows of so many sessions that were long over are gone; the audit is kept."""

    name = "sessions_purged"
    sessions: int


@dataclass(frozen=True, slots=True)
class UserEnabled(Event):
    """The person may sign in again; sessions from before stay ended."""

    name = "user_enabled"
    user: str


@dataclass(frozen=True, slots=True)
class AccessTokenDenied(Event):
    """One access token is refused before its time (UTC milliseconds); its session goes on."""

    name = "access_token_denied"
    client: str
    jti: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class ClientDisabled(Event):
    """A client or resource server is refused from now on."""

    name = "client_disabled"
    client: str


@dataclass(frozen=True, slots=True)
class ClientSecretRotated(Event):
    """A client was given another secret; `rotated_at` is in UTC milliseconds."""

    name = "client_secret_rotated"
    client: str
    rotated_at: int


@dataclass(frozen=True, slots=True)
class ClientRefused(Event):
    """Client authentication failed; `client` is empty when it is unknown."""

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
    """A statement could not be carried out: busy, gone, full. The caller got 503."""

    name = "database_unavailable"
    level = Level.ALERT
    why: str


@dataclass(frozen=True, slots=True)
class SigningUnavailable(Event):
    """No usable signing key or derivation secret. The caller got 503."""

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
    """What is stored as a person's password hash is none: nobody can sign in with it."""

    name = "stored_password_hash_damaged"
    level = Level.ALERT
    user: str


@dataclass(frozen=True, slots=True)
class KeyCreated(Event):
    """A signing key was made; it is published, not yet used."""

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
    """A key left the published set by command."""

    name = "key_retired"
    kid: str


@dataclass(frozen=True, slots=True)
class KeyDropped(Event):
    """A key left the published set: the last token it signed has expired, or it never signed."""

    name = "key_dropped"
    kid: str


@dataclass(frozen=True, slots=True)
class KeyCompromised(Event):
    """A key left the published set because others may have its private half."""

    name = "key_compromised"
    level = Level.ALERT
    kid: str


@dataclass(frozen=True, slots=True)
class AlertDelivered(Event):
    """The webhook took an alert."""

    name = "alert_delivered"
    alert: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AlertPostponed(Event):
    """The webhook did not take an alert; it is tried again after so many seconds."""

    name = "alert_postponed"
    level = Level.WARNING
    alert: str
    attempt: int
    why: str
    again_in: int


@dataclass(frozen=True, slots=True)
class AlertAbandoned(Event):
    """The webhook did not take an alert for two days; it is given up. The audit still has it."""

    name = "alert_abandoned"
    level = Level.ALERT
    alert: str
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class DerivationSecretCreated(Event):
    """A derivation secret was made, or its file found; nothing is derived from it yet."""

    name = "derivation_secret_created"
    secret_id: int


@dataclass(frozen=True, slots=True)
class DerivationSecretActivated(Event):
    """New refresh tokens are derived with it from now on, on every host that holds it."""

    name = "derivation_secret_activated"
    secret_id: int


@dataclass(frozen=True, slots=True)
class DerivationSecretRetired(Event):
    """Its refresh tokens are refused from now on; `sessions` is how many that ended."""

    name = "derivation_secret_retired"
    level = Level.WARNING
    secret_id: int
    sessions: int


@dataclass(frozen=True, slots=True)
class DerivationSecretMissing(Event):
    """A secret that is in use is not in this host's key directory. Its tokens get 503 here."""

    name = "derivation_secret_missing"
    level = Level.WARNING
    secret_id: int
    why: str


@dataclass(frozen=True, slots=True)
class NotReady(Event):
    """A readiness check failed."""

    name = "not_ready"
    level = Level.ALERT
    check: str
    why: str


@dataclass(frozen=True, slots=True)
class ClockMoved(Event):
    """Development only: the server's clock is now `offset` seconds ahead of the system's."""

    name = "test_clock_moved"
    offset: float


@dataclass(frozen=True, slots=True)
class ChaosInjected(Event):
    """Development only: a request met the fault that was ordered for it; `client` is empty when
    unknown.
    """

    name = "chaos_injected"
    client: str
    fault: str
