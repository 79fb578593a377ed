"""Signing in with a password (RFC 6749 §4.3): count, verify, begin a session."""

from dataclasses import dataclass, field, replace

from app.core.clients import Client
from app.core.devices import Device
from app.core.events import Event, SignInRefused, StoredHashDamaged
from app.core.outcomes import ErrorCode, Outcome, Refused
from app.core.sessions import Terms
from app.protocol import sign_in
from app.protocol.requested import coverage
from app.protocol.responses import busy, too_often
from app.protocol.sign_in import AT_TOKEN_ENDPOINT
from app.services.passwords import Busy, Verified
from app.services.ratelimit import Limit, source
from app.services.runtime import Runtime
from app.store import users
from app.store.users import User

GRANT = "password"
PER_ACCOUNT = Limit("sign_in", failures=20, window=60_000)
PER_ADDRESS = Limit("sign_in_address", failures=100, window=60_000)


@dataclass(frozen=True, slots=True)
class Attempt:
    username: str
    password: str = field(repr=False)
    scope: str | None
    resources: tuple[str, ...]
    device: Device
    terms: Terms = AT_TOKEN_ENDPOINT


def sign_in_with_password(
    run: Runtime, client: Client, attempt: Attempt, grant: str = GRANT
) -> Outcome:
    """Refused alike, after equal work, for an unknown name, a wrong password and a disabled user."""
    covered = coverage(run, client, attempt.scope, attempt.resources)
    if isinstance(covered, Refused):
        return covered
    wait = _wait(run, attempt)
    if wait:
        return _too_often(client, wait)
    with run.rotations.connect() as connection:
        user = users.find_by_name(connection, attempt.username)
    verified = run.passwords.verify(None if user is None else user.password_hash, attempt.password)
    if isinstance(verified, Busy):
        return busy(verified.retry_after)
    if user is None or not verified.ok or user.disabled_at is not None:
        return _refused(run, client, attempt, user, verified)
    # A burst of guesses that filled the window meanwhile is not told which of them was right.
    wait = _wait(run, attempt)
    if wait:
        return _too_often(client, wait)
    now = run.now()
    session = sign_in.draft(run, client, user, covered, now, attempt.terms, attempt.device)
    issued = sign_in.tokens(run, client, session, now, grant)
    with run.transactions.begin() as connection:
        if verified.new_hash is not None and user.password_hash is not None:
            users.replace_hash(connection, user.id, user.password_hash, verified.new_hash)
        ended = sign_in.store(connection, run, session, attempt.device)
    return replace(issued, events=issued.events + ended)


def _keys(attempt: Attempt) -> tuple[tuple[Limit, str], ...]:
    address = source(attempt.device.address or "")
    return (PER_ACCOUNT, f"{address} {attempt.username}"), (PER_ADDRESS, address)


def _wait(run: Runtime, attempt: Attempt) -> int:
    now = run.now()
    return max(run.failures.retry_after(limit, key, now) for limit, key in _keys(attempt))


def _too_often(client: Client, wait: int) -> Refused:
    event = SignInRefused(client=client.client_id, user="", why="too_many_failures")
    return replace(too_often(wait), events=(event,))


def _refused(
    run: Runtime, client: Client, attempt: Attempt, user: User | None, verified: Verified
) -> Refused:
    now = run.now()
    wait = max(run.failures.record(limit, key, now) for limit, key in _keys(attempt))
    if wait:
        return _too_often(client, wait)
    name = "" if user is None else user.id
    events: tuple[Event, ...] = (
        SignInRefused(client=client.client_id, user=name, why=_why(user, verified)),
    )
    if verified.damaged:
        events += (StoredHashDamaged(user=name),)
    return Refused(error=ErrorCode.INVALID_GRANT, events=events)


def _why(user: User | None, verified: Verified) -> str:
    if user is None:
        return "unknown_user"
    return "user_disabled" if verified.ok else "wrong_password"
