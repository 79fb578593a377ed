"""A person's name and password: counted, verified, one answer for every failure.

The password grant and the sign-in page share the counters: whoever guesses at both has no more
guesses than at one.
"""

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from app.core.events import Event, SignInRefused, StoredHashDamaged
from app.core.outcomes import ErrorCode, Refused
from app.protocol.responses import busy, too_often
from app.services.passwords import Busy, Verified
from app.services.ratelimit import Limit, source
from app.services.runtime import Runtime
from app.store import users
from app.store.users import User

PER_ACCOUNT = Limit("sign_in", failures=20, window=60_000)
PER_ADDRESS = Limit("sign_in_address", failures=100, window=60_000)


@dataclass(frozen=True, slots=True)
class Attempt:
    """`client` is the one that a person signs in for, empty when they come by themselves."""

    client: str
    username: str
    password: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """Somebody who has just proved who they are."""

    user: User
    new_hash: str | None = None

    def store(self, connection: Connection) -> None:
        """The same password under newer parameters, in the transaction that begins a session."""
        if self.new_hash is not None and self.user.password_hash is not None:
            users.replace_hash(connection, self.user.id, self.user.password_hash, self.new_hash)


def prove(run: Runtime, attempt: Attempt) -> Person | Refused:
    """Refused alike, after equal work, for an unknown name, a wrong password and a disabled user."""
    wait = _wait(run, attempt)
    if wait:
        return _too_often(attempt, wait)
    with run.rotations.connect() as connection:
        user = users.find_by_name(connection, attempt.username)
    verified = run.passwords.verify(None if user is None else user.password_hash, attempt.password)
    if isinstance(verified, Busy):
        return busy(verified.retry_after)
    if user is None or not verified.ok or user.disabled_at is not None:
        return _refused(run, attempt, user, verified)
    # A burst of guesses that filled the window meanwhile is not told which of them was right.
    wait = _wait(run, attempt)
    if wait:
        return _too_often(attempt, wait)
    return Person(user, verified.new_hash)


def _keys(attempt: Attempt) -> tuple[tuple[Limit, str], ...]:
    address = source(attempt.address)
    return (PER_ACCOUNT, f"{address} {attempt.username}"), (PER_ADDRESS, address)


def _wait(run: Runtime, attempt: Attempt) -> int:
    now = run.now()
    return max(run.failures.retry_after(limit, key, now) for limit, key in _keys(attempt))


def _too_often(attempt: Attempt, wait: int) -> Refused:
    event = SignInRefused(client=attempt.client, user="", why="too_many_failures")
    return replace(too_often(wait), events=(event,))


def _refused(run: Runtime, attempt: Attempt, user: User | None, verified: Verified) -> Refused:
    now = run.now()
    wait = max(run.failures.record(limit, key, now) for limit, key in _keys(attempt))
    if wait:
        return _too_often(attempt, wait)
    name = "" if user is None else user.id
    events: tuple[Event, ...] = (
        SignInRefused(client=attempt.client, user=name, why=_why(user, verified)),
    )
    if verified.damaged:
        events += (StoredHashDamaged(user=name),)
    return Refused(error=ErrorCode.INVALID_GRANT, events=events)


def _why(user: User | None, verified: Verified) -> str:
    if user is None:
        return "unknown_user"
    return "user_disabled" if verified.ok else "wrong_password"
