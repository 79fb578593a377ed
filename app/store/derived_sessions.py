"""Which live sessions hold tokens of a derivation secret, and ending them."""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from app.core.sessions import EndReason
from app.store.sessions import BATCH, SessionRow
from app.store.users import UserRow

FIRST_SID = b""


@dataclass(frozen=True, slots=True)
class Holders:
    """Sessions that may present tokens of `secret_id`: their current token is one, or they began
    before `before`, so that older tokens of theirs are.
    """

    secret_id: int
    before: int

    def condition(self, now: int) -> ColumnElement[bool]:
        current = SessionRow.secret_id == self.secret_id
        return and_(_live(now), or_(current, SessionRow.created_at < self.before))


@dataclass(frozen=True, slots=True)
class Count:
    """`until` is when the last of them is over at the latest; None when there is none."""

    current: int
    earlier: int
    until: int | None

    @property
    def total(self) -> int:
        return self.current + self.earlier


class Ended(NamedTuple):
    sid: bytes
    public_id: str
    client_id: str
    user_id: str


def live_by_secret(connection: Connection, now: int) -> dict[int, int]:
    """How many live sessions have a current token of each secret."""
    rows = connection.execute(
        select(SessionRow.secret_id, func.count())
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(_live(now))
        .group_by(SessionRow.secret_id)
    )
    return {row[0]: row[1] for row in rows}


def count(connection: Connection, holders: Holders, now: int) -> Count:
    is_current = SessionRow.secret_id == holders.secret_id
    rows = connection.execute(
        select(is_current, func.count(), func.max(SessionRow.expires_at))
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(holders.condition(now))
        .group_by(is_current)
    ).all()
    counted = {bool(row[0]): row[1] for row in rows}
    until = max((row[2] for row in rows), default=None)
    return Count(counted.get(True, 0), counted.get(False, 0), until)


def end_some(
    connection: Connection, holders: Holders, now: int, purge_at: int, after: bytes
) -> list[Ended]:
    """End up to `BATCH` of them, in the order of their ids beyond `after`.

    Returns whom it ended; go on after the last until there is nobody.
    """
    some = (
        select(SessionRow.sid)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(holders.condition(now), SessionRow.sid > after)
        .order_by(SessionRow.sid)
        .limit(BATCH)
    )
    ended = connection.execute(
        update(SessionRow)
        .where(SessionRow.sid.in_(some.scalar_subquery()), SessionRow.revoked_at.is_(None))
        .values(revoked_at=now, revoke_reason=EndReason.SECRET_RETIRED, purge_at=purge_at)
        .returning(SessionRow.sid, SessionRow.public_id, SessionRow.client_id, SessionRow.user_id)
    )
    return sorted(Ended(bytes(sid), *who) for sid, *who in ended)


def _live(now: int) -> ColumnElement[bool]:
    """`core.sessions.state`, said to the database."""
    return and_(
        SessionRow.revoked_at.is_(None),
        SessionRow.expires_at > now,
        SessionRow.idle_expires_at > now,
        SessionRow.user_epoch == UserRow.auth_epoch,
        UserRow.disabled_at.is_(None),
    )
