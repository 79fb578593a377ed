"""One person's sessions that live: which they are, and which of them are too many."""

from sqlalchemy import Connection, select, update

from app.core.sessions import EndReason, Session
from app.store import sessions
from app.store.bulk_endings import Ended, live
from app.store.sessions import SessionRow
from app.store.users import UserRow


def living(connection: Connection, user_id: str, now: int) -> list[Session]:
    """Newest first, at most `sessions.BATCH`."""
    return sessions.newest(connection, SessionRow.user_id == user_id, live(now))


def lock(connection: Connection, user_id: str) -> None:
    """Until the transaction ends, whoever else locks this person waits."""
    connection.execute(
        select(UserRow.id).where(UserRow.id == user_id).with_for_update(key_share=True)
    )


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
