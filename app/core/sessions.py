"""Sessions: one row per sign-in ("family"), how long it lives, and whether it lives now.

Times are UTC milliseconds, lifetimes are milliseconds.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from app.core.binding import Binding
from app.core.devices import Device
from app.core.status_list import Place

SECOND = 1000
DAY = 86_400 * SECOND


class Channel(StrEnum):
    """How the refresh token travels; the channels never mix."""

    BODY = "body"
    COOKIE = "cookie"


class EndReason(StrEnum):
    """Why a session was ended before its time; kept in the row."""

    CLIENT = "revoked_by_client"
    OPERATOR = "revoked_by_operator"
    REUSE = "token_reused"
    CODE_REPLAYED = "code_replayed"
    SIGN_OUT_EVERYWHERE = "signed_out_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a reason, not a password
    USER_DISABLED = "user_disabled"
    SECRET_RETIRED = "secret_retired"  # noqa: S105  # a reason, not a secret
    KEY_COMPROMISED = "key_compromised"
    SIGNED_OUT = "signed_out"
    LIMIT = "session_limit"


class State(StrEnum):
    """What a session is right now. All but LIVE are the public reasons of CONTRACT §4."""

    LIVE = "live"
    IDLE = "session_idle"
    EXPIRED = "session_expired"
    ENDED = "session_ended"
    REUSED = "session_reused"


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """A session as the database shows it, joined with what its user's row says."""

    sid: bytes
    public_id: str
    salt: bytes
    secret_id: int
    generation: int
    rotated_at: int
    rotation_key_hash: bytes | None
    idle_ttl: int
    idle_expires_at: int
    expires_at: int
    revoked_at: int | None
    revoke_reason: str | None
    client_id: str
    user_id: str
    user_epoch: int
    scope: str
    resource: str
    binding: Binding
    channel: Channel
    auth_time: int
    current_epoch: int
    user_disabled_at: int | None
    user_agent: str | None = None
    ip: str | None = None
    first_party: bool = False
    """Begun at the first-party API, and served there."""
    remember_me: bool = False
    device_name: str | None = None
    created_at: int = 0
    last_seen_at: int = 0
    status: Place | None = None

    @property
    def resources(self) -> tuple[str, ...]:
        return tuple(self.resource.split())

    @property
    def device(self) -> Device:
        """From where the session was begun or, later, last rotated."""
        return Device(user_agent=self.user_agent, address=self.ip)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session is begun as."""

    channel: Channel = Channel.BODY
    remember_me: bool = False
    first_party: bool = False


@dataclass(frozen=True, slots=True)
class Lifetimes:
    idle: int
    absolute: int


@dataclass(frozen=True, slots=True)
class LifetimePolicy:
    """The server's lifetimes; `browser` and `remembered` are absolute, without and with
    "remember me", for sessions whose token is in a cookie.
    """

    idle: int
    absolute: int
    browser: int
    remembered: int

    def with_own(self, idle: int | None, absolute: int | None) -> "LifetimePolicy":
        """With those of a client, where it has its own: they replace the server's, and shorten what
        would be longer in a browser.
        """
        most = self.absolute if absolute is None else absolute
        return LifetimePolicy(
            idle=self.idle if idle is None else idle,
            absolute=most,
            browser=self.browser if absolute is None else min(self.browser, most),
            remembered=self.remembered if absolute is None else min(self.remembered, most),
        )

    def chosen(self, terms: Terms) -> Lifetimes:
        if terms.channel is Channel.BODY:
            return Lifetimes(self.idle, self.absolute)
        return Lifetimes(self.idle, self.remembered if terms.remember_me else self.browser)


@dataclass(frozen=True, slots=True)
class Ends:
    """When a session ends by itself: idle end never lies beyond the absolute end (I13)."""

    idle: int
    absolute: int


def ends(now: int, lifetimes: Lifetimes) -> Ends:
    """Both ends of a session that begins now."""
    absolute = now + lifetimes.absolute
    return Ends(idle_end(now, lifetimes.idle, absolute), absolute)


def idle_end(now: int, idle_ttl: int, expires_at: int) -> int:
    return min(now + idle_ttl, expires_at)


def ending_by(session: Session, latest: int | None) -> Session:
    """The same session with both ends brought forward to `latest`, where they lie beyond it."""
    if latest is None:
        return session
    idle, absolute = min(session.idle_expires_at, latest), min(session.expires_at, latest)
    return replace(session, idle_expires_at=idle, expires_at=absolute)


def purge_time(over_at: int, access_ttl: int) -> int:
    """When the row of a session that is over may go: a day after its last token has expired."""
    return over_at + access_ttl + DAY


def state(session: Session, now: int, *, judge_idle: bool = True) -> State:
    """Whether the session lives (rule R2). An end that somebody caused outranks one by time."""
    if session.revoked_at is not None:
        return State.REUSED if session.revoke_reason == EndReason.REUSE else State.ENDED
    if session.user_disabled_at is not None or session.user_epoch != session.current_epoch:
        return State.ENDED
    if now >= session.expires_at:
        return State.EXPIRED
    if judge_idle and now >= session.idle_expires_at:
        return State.IDLE
    return State.LIVE


def access_token_end(now: int, access_ttl: int, expires_at: int) -> int:
    """An access token never outlives its session (I21)."""
    return min(now + access_ttl, expires_at)


def whole_seconds(milliseconds: int) -> int:
    return max(0, milliseconds // SECOND)
