"""Which live sessions hold tokens of a derivation secret."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from app.store.bulk_endings import live
from app.store.sessions import SessionRow
from app.store.users import UserRow


@dataclass(frozen=True, slots=True)
class Holders:
    """Sessions that may present tokens of `secret_id`: their current token is one, or they began
    before `before`, so that older tokens of theirs are.
    """

    secret_id: int
    before: int

    def condition(self, now: int) -> ColumnElement[bool]:
        current = SessionRow.secret_id == self.secret_id
        return and_(live(now), or_(current, SessionRow.created_at < self.before))


@dataclass(frozen=True, slots=True)
class Count:
    """`until` is when the last of them is over at the latest; None when there is none."""

    current: int
    earlier: int
    until: int | None

    @property
    def total(self) -> int:
        return self.current + self.earlier


def live_by_secret(connection: Connection, now: int) -> dict[int, int]:
    """How many live sessions have a current token of each secret."""
    rows = connection.execute(
        select(SessionRow.secret_id, func.count())
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(live(now))
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
