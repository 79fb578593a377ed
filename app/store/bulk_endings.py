"""Ending many sessions, chosen by what they have in common."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, and_, select, update

from app.core.sessions import EndReason
from app.store.sessions import BATCH, SessionRow
from app.store.users import UserRow

FIRST_SID = b""


class Chosen(Protocol):
    """Which sessions are meant."""

    def condition(self, now: int) -> ColumnElement[bool]: ...


@dataclass(frozen=True, slots=True)
class SeenSince:
    """Live sessions that were given an access token at `moment` or later."""

    moment: int

    def condition(self, now: int) -> ColumnElement[bool]:
        return and_(live(now), SessionRow.last_seen_at >= self.moment)


class Ended(NamedTuple):
    sid: bytes
    public_id: str
    client_id: str
    user_id: str


def end_some(
    connection: Connection,
    chosen: Chosen,
    reason: EndReason,
    now: int,
    purge_at: int,
    after: bytes,
) -> list[Ended]:
    """End up to `BATCH` of them, in the order of their ids beyond `after`.

    Returns whom it ended; go on after the last until there is nobody.
    """
    some = (
        select(SessionRow.sid)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(chosen.condition(now), SessionRow.sid > after)
        .order_by(SessionRow.sid)
        .limit(BATCH)
    )
    ended = connection.execute(
        update(SessionRow)
        .where(SessionRow.sid.in_(some.scalar_subquery()), SessionRow.revoked_at.is_(None))
        .values(revoked_at=now, revoke_reason=reason, purge_at=purge_at)
        .returning(SessionRow.sid, SessionRow.public_id, SessionRow.client_id, SessionRow.user_id)
    )
    return sorted(Ended(bytes(sid), *who) for sid, *who in ended)


def live(now: int) -> ColumnElement[bool]:
    """`core.sessions.state`, said to the database."""
    return and_(
        SessionRow.revoked_at.is_(None),
        SessionRow.expires_at > now,
        SessionRow.idle_expires_at > now,
        SessionRow.user_epoch == UserRow.auth_epoch,
        UserRow.disabled_at.is_(None),
    )
