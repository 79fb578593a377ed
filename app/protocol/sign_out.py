"""Ending sessions on somebody's behalf: one, all of a person's, or those that are too many."""

import secrets
from collections.abc import Iterable

from sqlalchemy import Connection

from app.core.authorization_events import BrowserSignedOut
from app.core.events import Event, SessionEnded, UserSessionsEnded
from app.core.sessions import EndReason, Session, purge_time
from app.services.runtime import Runtime
from app.store import (
    audit,
    browser_sessions,
    bulk_endings,
    endings,
    own_sessions,
    sessions,
    unfetched,
    users,
)
from app.store.bulk_endings import FIRST_SID, Chosen, Ended
from app.store.endings import Ending
from app.store.own_sessions import BegunIn
from app.store.users import User


def end_everything(
    run: Runtime,
    user: User,
    reason: EndReason,
    now: int,
    values: dict[str, object] | None = None,
) -> tuple[int, tuple[Event, ...]]:
    """Log out everywhere: the epoch moves, and after that commit none of the person's sessions
    lives. The rows are marked afterwards, in batches; what an interruption leaves, a job marks.
    `values` are written to the person's row with the epoch. Returns how many were marked, and what
    to publish.
    """
    ending = Ending(secrets.token_hex(16), user.id, reason, now)
    with run.transactions.begin() as connection:
        users.change(connection, user.id, values or {})
        endings.queue(connection, ending)
        facts = {"user_id": user.id, "detail": reason}
        audit.record(connection, now, UserSessionsEnded.name, facts)
    return finish(run, ending)


def finish(run: Runtime, ending: Ending) -> tuple[int, tuple[Event, ...]]:
    """Mark the rows. Several may do so at once: whoever finds that all is done publishes it."""
    total = 0
    while True:
        # Anew for each batch: status lists look for what was dated lately.
        now = run.now()
        purge_at = purge_time(now, run.access_ttl)
        with run.transactions.begin() as connection:
            marked = sessions.mark_ended(connection, ending.user_id, now, ending.reason, purge_at)
            done = not marked and endings.forget(connection, ending)
        total += marked
        if not marked:
            event = UserSessionsEnded(ending.user_id, ending.reason, ending.ended_at)
            return total, (event,) if done else ()


def end_session(run: Runtime, session: Session, reason: EndReason) -> tuple[Event, ...]:
    """End one session; nothing happens to one that has ended."""
    now = run.now()
    purge_at = purge_time(now, run.access_ttl)
    event = SessionEnded(session.public_id, session.client_id, session.user_id, reason)
    with run.transactions.begin() as connection:
        if not sessions.revoke(connection, session.sid, now, reason, purge_at):
            return ()
        facts = {
            "session": session.public_id,
            "client_id": session.client_id,
            "user_id": session.user_id,
            "detail": reason,
        }
        audit.record(connection, now, event.name, facts)
    return (event,)


def end_chosen(run: Runtime, chosen: Chosen, reason: EndReason, *, audited: bool = False) -> int:
    """End these sessions, a batch for each transaction, and publish it. Returns how many.

    `audited` is for the few of one person: each is written down.
    """
    total, after = 0, FIRST_SID
    while True:
        with run.transactions.begin() as connection:
            ended = end_batch(connection, run, chosen, reason, after, audited=audited)
        if not ended:
            return total
        run.telemetry.publish(told(ended, reason))
        total, after = total + len(ended), ended[-1].sid


def end_batch(
    connection: Connection,
    run: Runtime,
    chosen: Chosen,
    reason: EndReason,
    after: bytes = FIRST_SID,
    *,
    audited: bool,
) -> list[Ended]:
    """A batch of them, in the caller's transaction: as many as one person has, with few exceptions."""
    now = run.now()
    purge_at = purge_time(now, run.access_ttl)
    ended = bulk_endings.end_some(connection, chosen, reason, now, purge_at, after)
    if audited:
        _write_down(connection, ended, reason, now)
    return ended


def told(ended: Iterable[Ended], reason: EndReason) -> tuple[Event, ...]:
    """What to publish after the commit."""
    return tuple(SessionEnded(e.public_id, e.client_id, e.user_id, reason) for e in ended)


def leave_browser(
    connection: Connection, run: Runtime, user_id: str, public_id: str, *, take_back: bool
) -> tuple[Event, ...] | None:
    """Sign somebody out of a browser, in the caller's transaction. With `take_back` what they
    allowed there and nobody has fetched goes, too; with `PERENNIAL_SESSIONS_END_WITH_BROWSER` that
    and the sessions that began there. Returns what to publish after the commit; None when they are
    not signed in there.
    """
    if not browser_sessions.end_own(connection, user_id, public_id):
        return None
    reason, all_of_it = EndReason.SIGNED_OUT, run.settings.sessions_end_with_browser == "on"
    if take_back or all_of_it:
        unfetched.void_in_browser(connection, user_id, public_id)
    facts = {"session": public_id, "user_id": user_id, "detail": reason}
    audit.record(connection, run.now(), BrowserSignedOut.name, facts)
    ended: list[Ended] = []
    if all_of_it:
        begun, after = BegunIn(user_id, public_id), FIRST_SID
        while some := end_batch(connection, run, begun, reason, after, audited=True):
            ended, after = ended + some, some[-1].sid
    return BrowserSignedOut(public_id, user_id), *told(ended, reason)


def end_surplus(connection: Connection, run: Runtime, session: Session) -> tuple[Event, ...]:
    """Make room for a session that is about to be stored (`PERENNIAL_MAX_SESSIONS`), in the
    caller's transaction, which holds the person alone: of several sign-ins each counts those
    before. Returns what to publish after the commit.
    """
    most, reason = run.settings.max_sessions, EndReason.LIMIT
    if not most:
        return ()
    whose = (session.user_id, session.client_id)
    now = run.now()  # an ending is dated when it happens, not when its turn was waited for
    purge_at = purge_time(now, run.access_ttl)
    ended = own_sessions.end_beyond(connection, *whose, most - 1, now, reason, purge_at)
    _write_down(connection, ended, reason, now)
    return told(ended, reason)


def _write_down(connection: Connection, ended: list[Ended], reason: EndReason, now: int) -> None:
    for each in ended:
        facts = {"session": each.public_id, "client_id": each.client_id, "user_id": each.user_id}
        audit.record(connection, now, SessionEnded.name, {**facts, "detail": reason})
