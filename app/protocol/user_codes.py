"""Codes that people type: looked up, with a limit on guesses, and decided (RFC 8628 §3.3, §5.1)."""

from dataclasses import dataclass

from app.core import device as rules
from app.core.authorization_events import DeviceDecided, UserCodeRefused
from app.core.clients import NOBODY, Client
from app.core.device import GRANT, LIFE, DeviceRequest
from app.protocol import clients
from app.protocol.browser import digest
from app.services.ratelimit import Limit, source
from app.services.runtime import Runtime
from app.store import audit, browser_sessions, device_authorizations
from app.store.browser_sessions import BrowserSession
from app.store.device_authorizations import Decision

PER_BROWSER = Limit("user_code_browser", failures=5, window=LIFE)
PER_ACCOUNT = Limit("user_code_account", failures=10, window=LIFE)
PER_ADDRESS = Limit("user_code_address", failures=50, window=LIFE)


@dataclass(frozen=True, slots=True, repr=False)
class Asking:
    """A device that waits for an answer. `code` is what it shows."""

    code: str
    request: DeviceRequest
    client: Client


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing waits under this code; `retry_after` seconds when there were too many such codes."""

    retry_after: int = 0


def find(run: Runtime, session: BrowserSession, address: str, code: str) -> Asking | Unknown:
    """`code` is bare. Only signed-in people look, so that every guess is somebody's."""
    keys = _keys(session, address)
    wait = _wait(run, keys)
    if wait:
        return _refused(run, session, "too_many_failures", wait)
    now = run.now()
    with run.rotations.connect() as connection:
        request = device_authorizations.find_open(connection, digest(code), now)
    if request is None:
        wait = max(run.failures.record(limit, key, now) for limit, key in keys)
        return _refused(run, session, "too_many_failures" if wait else "unknown_code", wait)
    # A burst of guesses that filled the window meanwhile is not told which of them was right.
    wait = _wait(run, keys)
    if wait:
        return _refused(run, session, "too_many_failures", wait)
    client = clients.find(run, request.client_id, now)
    if client is NOBODY or client.disabled or GRANT not in client.grants:
        return _refused(run, session, "client_not_allowed", 0)
    return Asking(rules.shown(code), request, client)


def _keys(session: BrowserSession, address: str) -> tuple[tuple[Limit, str], ...]:
    return (
        (PER_BROWSER, session.public_id),
        (PER_ACCOUNT, session.user_id),
        (PER_ADDRESS, source(address)),
    )


def _wait(run: Runtime, keys: tuple[tuple[Limit, str], ...]) -> int:
    now = run.now()
    return max(run.failures.retry_after(limit, key, now) for limit, key in keys)


def _refused(run: Runtime, session: BrowserSession, why: str, wait: int) -> Unknown:
    run.telemetry.publish([UserCodeRefused(session.user_id, why)])
    return Unknown(wait)


def decided(run: Runtime, session: BrowserSession, code: str, *, allowed: bool) -> Client | None:
    """Whose device it is that this person has decided about like this before, in this browser."""
    with run.rotations.connect() as connection:
        client_id = device_authorizations.client_of_decided(
            connection, digest(code), session.public_id, run.now(), allowed=allowed
        )
    return None if client_id is None else clients.find(run, client_id, run.now())


def decide(run: Runtime, session: BrowserSession, asking: Asking, *, allowed: bool) -> bool:
    """False when somebody else has decided first, time was up, or the person's session has ended."""
    now, request = run.now(), asking.request
    decision = Decision(
        allowed=allowed,
        user_id=session.user_id,
        user_epoch=session.user_epoch,
        auth_time=session.auth_time,
        browser_session_id=session.public_id,
    )
    event = DeviceDecided(request.client_id, session.user_id, request.scope, allowed)
    facts = {
        "user_id": session.user_id,
        "client_id": request.client_id,
        "detail": f"{'allowed' if allowed else 'declined'} {request.scope}",
    }
    with run.transactions.begin() as connection:
        if not browser_sessions.hold(connection, session.digest):
            return False
        if not device_authorizations.decide(connection, request.digest, decision, now):
            return False
        audit.record(connection, now, event.name, facts)
    run.telemetry.publish([event])
    return True
