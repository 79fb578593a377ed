"""Ending again what the log says had ended, after a fail-over or a restore of an older copy.

Nothing is ever brought back to life, and what has ended stays as it is: a second run changes
nothing. Each ending is a transaction of its own, published when it is committed, so that an
interrupted run has told what it did and can simply be started again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from app.core import keyring
from app.core.authorization_events import BrowserSignedOut, ConsentWithdrawn
from app.core.events import (
    AccessTokenDenied,
    ClientDisabled,
    ClientSecretRotated,
    Event,
    KeyCompromised,
    KeyRetired,
    ReuseDetected,
    SessionEnded,
    UserEnabled,
    UserSessionsEnded,
)
from app.core.keyring import KeyState
from app.core.sessions import EndReason, purge_time
from app.protocol.sign_out import end_everything, end_session
from app.services.event_log import EventLog, Found, Unreadable
from app.services.key_ceremony import Compromised
from app.services.runtime import Runtime
from app.store import (
    audit,
    browser_sessions,
    clients,
    consents,
    denied_tokens,
    sessions,
    signing_keys,
    status_lists,
    users,
)
from app.store.users import User

KINDS: tuple[type[Event], ...] = (
    SessionEnded,
    ReuseDetected,
    BrowserSignedOut,
    ConsentWithdrawn,
    UserSessionsEnded,
    UserEnabled,
    AccessTokenDenied,
    ClientDisabled,
    ClientSecretRotated,
    KeyCompromised,
    KeyRetired,
)
MARGIN = 60_000
"""Milliseconds before the given time that are read as well: the clocks of hosts differ a little."""

MOST_PROBLEMS = 20


class Kind(StrEnum):
    """What can end."""

    SESSION = "sessions"
    BROWSER = "browser_sessions"
    CONSENT = "consents"
    USER = "users"
    CLIENT = "clients"
    ACCESS_TOKEN = "access_tokens"  # noqa: S105  # a kind
    KEY = "signing_keys"


class Effect(StrEnum):
    """What an ending in the log came to. UNKNOWN: made after the copy, and so lost with it."""

    APPLIED = "applied"
    ALREADY = "already"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that should have been applied and could not be."""

    what: str


@dataclass(slots=True)
class Report:
    """What was read and what came of it. Only the first problems are kept, all are counted."""

    since: int
    logs: list[EventLog] = field(default_factory=list)
    effects: Counter[tuple[Kind, Effect]] = field(default_factory=Counter)
    sessions_of_users: int = 0
    passwords: list[str] = field(default_factory=list)
    client_secrets: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def count(self, kind: Kind, outcome: Effect | Problem) -> None:
        if isinstance(outcome, Problem):
            self.blame(outcome)
        else:
            self.effects[kind, outcome] += 1

    def blame(self, problem: Problem) -> None:
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem.what)


@dataclass(slots=True)
class Fate:
    """What the logs say of one person, all lines taken together. UTC milliseconds; 0 is never."""

    reason: EndReason = EndReason.SIGN_OUT_EVERYWHERE
    ended_at: int = 0
    password_changed_at: int = 0
    disabled_at: int = 0
    enabled_at: int = 0

    @property
    def disabled(self) -> bool:
        """Logs of several hosts are not in order: the later of both decides."""
        return self.disabled_at > self.enabled_at

    def learn(self, event: UserSessionsEnded) -> None:
        reason = _reason(event.why)
        if event.ended_at >= self.ended_at:
            self.ended_at, self.reason = event.ended_at, reason
        if reason is EndReason.USER_DISABLED:
            self.disabled_at = max(self.disabled_at, event.ended_at)
        if reason is EndReason.PASSWORD_CHANGED:
            self.password_changed_at = max(self.password_changed_at, event.ended_at)


@dataclass(slots=True)
class Gathered:
    """What only all lines together decide: people by their id, and by client id when it was last
    given a new secret.
    """

    people: defaultdict[str, Fate] = field(default_factory=lambda: defaultdict(Fate))
    secrets: dict[str, int] = field(default_factory=dict)


def reapply(run: Runtime, logs: Iterable[EventLog], since: int) -> Report:
    """Read the logs and end what they say had ended since then (UTC milliseconds)."""
    report, gathered = Report(since), Gathered()
    # Places given away since the copy was made are not in it; they would be given again.
    with run.transactions.begin() as connection:
        status_lists.close(connection)
    for log in logs:
        report.logs.append(log)
        for entry in log:
            if entry.at is None or entry.at >= since - MARGIN:
                _take(run, report, gathered, entry)
        if log.lines and log.first is None:
            report.blame(Problem(f"{log.name}: no line of it is a JSON line of Perennial's"))
    for user_id, fate in gathered.people.items():
        _restore_user(run, report, user_id, fate)
    report.client_secrets = _secrets_lost(run, gathered.secrets)
    return report


def _take(run: Runtime, report: Report, gathered: Gathered, entry: Found | Unreadable) -> None:
    match entry:
        case Unreadable():
            report.blame(Problem(f"{entry.place}: {entry.why}"))
        case Found(event=UserSessionsEnded() as event):
            gathered.people[event.user].learn(event)
        case Found(at=at, event=UserEnabled() as event):
            fate = gathered.people[event.user]
            fate.enabled_at = max(fate.enabled_at, at)
        case Found(event=ClientSecretRotated() as event):
            known = gathered.secrets.get(event.client, 0)
            gathered.secrets[event.client] = max(known, event.rotated_at)
        case Found(event=BrowserSignedOut() as event):
            report.count(Kind.BROWSER, _sign_out(run, event))
        case Found(event=ConsentWithdrawn() as event):
            report.count(Kind.CONSENT, _withdraw(run, event))
        case Found(event=event):
            report.count(*_ended(run, event))


def _ended(run: Runtime, event: Event) -> tuple[Kind, Effect | Problem]:
    """What stands alone and needs no other line to be understood."""
    match event:
        case SessionEnded():
            return Kind.SESSION, _end_session(run, event.session, _reason(event.why))
        case ReuseDetected():
            return Kind.SESSION, _end_session(run, event.session, EndReason.REUSE)
        case AccessTokenDenied():
            return Kind.ACCESS_TOKEN, _deny(run, event)
        case ClientDisabled():
            return Kind.CLIENT, _disable_client(run, event)
        case KeyRetired():
            return Kind.KEY, _retire_key(run, event)
        case KeyCompromised():
            return Kind.KEY, _give_up_key(run, event)
        case _:
            raise AssertionError(f"{event.name} is not among KINDS")


def _reason(why: str) -> EndReason:
    """A word that this version does not know ends a session all the same."""
    return EndReason(why) if why in set(EndReason) else EndReason.OPERATOR


def _end_session(run: Runtime, public_id: str, reason: EndReason) -> Effect:
    with run.rotations.connect() as connection:
        session = sessions.find_public(connection, public_id)
    if session is None:
        return Effect.UNKNOWN
    if session.revoked_at is not None:
        return Effect.ALREADY
    run.telemetry.publish(end_session(run, session, reason))
    return Effect.APPLIED


def _sign_out(run: Runtime, event: BrowserSignedOut) -> Effect:
    """The row goes with the sign-out, so one that is not there is taken for signed out."""
    with run.transactions.begin() as connection:
        ended = browser_sessions.end_public(connection, event.session)
    if not ended:
        return Effect.ALREADY
    run.telemetry.publish((event,))
    return Effect.APPLIED


def _withdraw(run: Runtime, event: ConsentWithdrawn) -> Effect:
    """Its sessions have lines of their own. A consent from later stays."""
    with run.transactions.begin() as connection:
        if not consents.withdraw(connection, event.user, event.client, event.withdrawn_at):
            return Effect.ALREADY
        facts = {"user_id": event.user, "client_id": event.client}
        audit.record(connection, run.now(), event.name, facts)
    run.telemetry.publish((event,))
    return Effect.APPLIED


def _deny(run: Runtime, event: AccessTokenDenied) -> Effect:
    now = run.now()
    with run.transactions.begin() as connection:
        if event.expires_at <= now or denied_tokens.is_denied(connection, event.jti):
            return Effect.ALREADY
        denied_tokens.deny(connection, event.jti, event.expires_at, now)
    run.telemetry.publish((event,))
    return Effect.APPLIED


def _disable_client(run: Runtime, event: ClientDisabled) -> Effect:
    now = run.now()
    with run.transactions.begin() as connection:
        client = clients.find(connection, event.client)
        if client is None or client.disabled:
            return Effect.UNKNOWN if client is None else Effect.ALREADY
        clients.disable(connection, event.client, now)
        audit.record(connection, now, event.name, {"client_id": event.client})
    run.telemetry.publish((event,))
    return Effect.APPLIED


def _retire_key(run: Runtime, event: KeyRetired) -> Effect | Problem:
    now = run.now()
    with run.rotations.connect() as connection:
        keys = {entry.key.kid: entry.key for entry in signing_keys.everything(connection)}
    key = keys.get(event.kid)
    if key is None:
        return Effect.UNKNOWN
    state = keyring.state(key, list(keys.values()), now)
    if state in {KeyState.RETIRED, KeyState.COMPROMISED}:
        return Effect.ALREADY
    events = run.ceremony().retire(event.kid, now)
    if events is None:
        return Problem(
            f"signing key {event.kid} had been retired and is {state} again: run"
            f" `perennial keys rotate --now`, then `perennial keys retire -- {event.kid}`"
        )
    run.telemetry.publish(events)
    return Effect.APPLIED


def _give_up_key(run: Runtime, event: KeyCompromised) -> Effect | Problem:
    with run.rotations.connect() as connection:
        keys = {entry.key.kid: entry.key for entry in signing_keys.everything(connection)}
    key = keys.get(event.kid)
    if key is None:
        return Effect.UNKNOWN
    if key.compromised_at is not None:
        return Effect.ALREADY
    done = run.ceremony().compromise(event.kid, run.now(), everything=False)
    if not isinstance(done, Compromised):
        return Problem(
            f"signing key {event.kid} had been compromised and signs again: run"
            f" `perennial keys compromise --all -- {event.kid}`"
        )
    run.telemetry.publish(done.events)
    return Effect.APPLIED


def _restore_user(run: Runtime, report: Report, user_id: str, fate: Fate) -> None:
    """End what the person had begun until then; what began later goes on, unless they are disabled
    again. A password cannot be brought back: the report names whose is an old one.
    """
    if not fate.ended_at:
        return
    with run.rotations.connect() as connection:
        user = users.find(connection, user_id)
        if users.password_is_older(connection, user_id, fate.password_changed_at):
            assert user is not None, "whoever has a password exists"
            report.passwords.append(user.username)
    if user is None:
        report.count(Kind.USER, Effect.UNKNOWN)
        return
    now = run.now()
    if fate.disabled and user.disabled_at is None:
        values: dict[str, object] = {"disabled_at": now}
        ended, events = end_everything(run, user, EndReason.USER_DISABLED, now, values)
    else:
        ended, events = _end_begun_by(run, user, fate)
    run.telemetry.publish(events)
    report.sessions_of_users += ended
    report.count(Kind.USER, Effect.APPLIED if events else Effect.ALREADY)


def _end_begun_by(run: Runtime, user: User, fate: Fate) -> tuple[int, tuple[Event, ...]]:
    """The rows one by one: moving the epoch would end later sessions too."""
    facts = {"user_id": user.id, "detail": fate.reason}
    with run.transactions.begin() as connection:
        browsers = browser_sessions.end_begun_by(connection, user.id, fate.ended_at)
    total = 0
    while True:
        now = run.now()
        purge_at = purge_time(now, run.access_ttl)
        with run.transactions.begin() as connection:
            ended = sessions.end_begun_by(
                connection, user.id, fate.ended_at, now, fate.reason, purge_at
            )
            if ended:
                audit.record(connection, now, UserSessionsEnded.name, facts)
        total += ended
        if not ended:
            event = UserSessionsEnded(user.id, fate.reason, fate.ended_at)
            return total, (event,) if total or browsers else ()


def _secrets_lost(run: Runtime, rotated: dict[str, int]) -> list[str]:
    """Clients whose secret is an older one again: the database does not know of the rotation."""
    name = ClientSecretRotated.name
    with run.rotations.connect() as connection:
        return [
            client_id
            for client_id, moment in rotated.items()
            if clients.find(connection, client_id) is not None
            and not audit.knows_of_client(connection, name, client_id, moment)
        ]
