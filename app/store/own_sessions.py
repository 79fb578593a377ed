"""One person's sessions that live: which they are, and which of them are too many."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select, update

from app.core.sessions import EndReason, Session
from app.store import sessions
from app.store.bulk_endings import Ended, live
from app.store.sessions import SessionRow
from app.store.users import UserRow


def living(connection: Connection, user_id: str, now: int) -> list[Session]:
    """Newest first, at most `sessions.BATCH`."""
    return sessions.newest(connection, SessionRow.user_id == user_id, live(now))


def began_in(connection: Connection, user_id: str, now: int) -> dict[str, str]:
    """From the live sessions that began on our pages to the browser session they began in."""
    rows = connection.execute(
        select(SessionRow.public_id, SessionRow.browser_session_id)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.user_id == user_id, live(now), SessionRow.browser_session_id.is_not(None))
    )
    return {public_id: browser or "" for public_id, browser in rows}


def move(connection: Connection, user_id: str, old: str, new: str) -> None:
    """What began in one browser session, to the one that takes its place."""
    connection.execute(
        update(SessionRow)
        .where(SessionRow.user_id == user_id, SessionRow.browser_session_id == old)
        .values(browser_session_id=new)
    )


@dataclass(frozen=True, slots=True)
class NotBegunIn:
    """The person's live sessions, but for those that began in this browser session."""

    user_id: str
    browser_session_id: str

    def condition(self, now: int) -> ColumnElement[bool]:
        elsewhere = SessionRow.browser_session_id.is_distinct_from(self.browser_session_id)
        return and_(live(now), SessionRow.user_id == self.user_id, elsewhere)


@dataclass(frozen=True, slots=True)
class BegunIn:
    """The person's live sessions that began in this browser session."""

    user_id: str
    browser_session_id: str

    def condition(self, now: int) -> ColumnElement[bool]:
        here = SessionRow.browser_session_id == self.browser_session_id
        return and_(live(now), SessionRow.user_id == self.user_id, here)


@dataclass(frozen=True, slots=True)
class AtClient:
    """The person's live sessions at one client."""

    user_id: str
    client_id: str

    def condition(self, now: int) -> ColumnElement[bool]:
        whose = and_(SessionRow.user_id == self.user_id, SessionRow.client_id == self.client_id)
        return and_(live(now), whose)


def end_beyond(
    connection: Connection,
    user_id: str,
    client_id: str,
    keep: int,
    now: int,
    reason: EndReason,
    purge_at: int,
) -> list[Ended]:
    """End the person's oldest live sessions at this client until no more than `keep` are left."""
    surplus = (
        select(SessionRow.sid)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.user_id == user_id, SessionRow.client_id == client_id, live(now))
        .order_by(SessionRow.created_at.desc(), SessionRow.sid.desc())
        .offset(keep)
    )
    ended = connection.execute(
        update(SessionRow)
        .where(SessionRow.sid.in_(surplus.scalar_subquery()), SessionRow.revoked_at.is_(None))
        .values(revoked_at=now, revoke_reason=reason, purge_at=purge_at)
        .returning(SessionRow.sid, SessionRow.public_id, SessionRow.client_id, SessionRow.user_id)
    )
    return sorted(Ended(bytes(sid), *who) for sid, *who in ended)
