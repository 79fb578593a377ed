"""Status lists: whose place in which list, and whose bits are set. There is no table of bits: a bit
is set when the session's row says that it ended.
"""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    Connection,
    LargeBinary,
    Select,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.core.status_list import NAME_BITS, SIZE, Place, place
from app.store.base import Base, Milliseconds
from app.store.endings import EndingRow
from app.store.sessions import SessionRow
from app.store.users import UserRow

KEY_BYTES = 32
ATTEMPTS = 10
EXISTS = -1
"""Stands for the list itself where indices are listed."""


class StatusListRow(Base):
    """`number` is the order in which lists were opened. Ids are random: a list that was lost with a
    fail-over or a restore does not come back as another one under the same name.
    """

    __tablename__ = "status_lists"
    # Every sign-in changes a row: there is room for its next versions beside it.
    __table_args__ = {"postgresql_with": {"fillfactor": 10}}  # noqa: RUF012  # SQLAlchemy's shape

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(KEY_BYTES))
    allotted: Mapped[int] = mapped_column(BigInteger)
    allotted_at: Mapped[Milliseconds]


_FIRST_OPEN = (
    select(StatusListRow.id)
    .where(StatusListRow.allotted < SIZE)
    .order_by(StatusListRow.number)
    .limit(1)
)
_TAKE = (
    update(StatusListRow)
    .where(StatusListRow.id == _FIRST_OPEN.scalar_subquery(), StatusListRow.allotted < SIZE)
    .values(allotted=StatusListRow.allotted + 1, allotted_at=bindparam("now"))
    .returning(StatusListRow.id, StatusListRow.key, StatusListRow.allotted)
)


def allot(connection: Connection, now: int) -> Place:
    """A place that nobody had and nobody will have. Needs a connection that commits by itself.

    It may be lost with a crash before the session is stored, and is wasted then. It cannot be given
    again once the session is on disk: the database writes one log, and this came first.
    """
    for _ in range(ATTEMPTS):
        row = connection.execute(_TAKE, {"now": now}).first()
        if row is not None:
            return Place(row.id, place(bytes(row.key), row.allotted - 1))
        _open(connection, now)
    raise AssertionError("lists fill up faster than they can be opened")


def _open(connection: Connection, now: int) -> None:
    """A new list, unless somebody opened one meanwhile: the number has one winner."""
    number = select(func.coalesce(func.max(StatusListRow.number), 0) + 1).scalar_subquery()
    values = select(
        literal(secrets.randbits(NAME_BITS), BigInteger),
        number,
        literal(secrets.token_bytes(KEY_BYTES), LargeBinary),
        literal(0, BigInteger),
        literal(now, BigInteger),
    ).where(~exists(_FIRST_OPEN))
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    columns = ("id", "number", "key", "allotted", "allotted_at")
    connection.execute(insert(StatusListRow).from_select(columns, values).on_conflict_do_nothing())


def _marked() -> Select[int | None]:
    return select(SessionRow.status_idx).where(
        SessionRow.status_list == bindparam("list_id"), SessionRow.revoked_at >= bindparam("since")
    )


def _about_to_be_marked() -> Select[int | None]:
    """Sessions that the person's epoch has ended and whose rows do not say so yet."""
    return (
        select(SessionRow.status_idx)
        .join(EndingRow, EndingRow.user_id == SessionRow.user_id)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(
            # Neither is in an index like that: begin with the few endings, not with all sessions.
            SessionRow.status_list + 0 == bindparam("list_id"),
            func.coalesce(SessionRow.revoked_at, 0) == 0,
            SessionRow.user_epoch < UserRow.auth_epoch,
        )
    )


# One statement, so that no session is missed between "about to be" and "is".
_ENDED: CompoundSelect[Any] = union_all(
    select(literal(EXISTS, BigInteger)).where(
        exists().where(StatusListRow.id == bindparam("list_id"))
    ),
    _marked(),
    _about_to_be_marked(),
)


def ended(connection: Connection, list_id: int, since: int) -> list[int] | None:
    """The indices of sessions that ended since this moment; None when there is no such list."""
    found = connection.execute(_ENDED, {"list_id": list_id, "since": since}).scalars().all()
    indices = [index for index in found if index != EXISTS]
    return indices if len(indices) < len(found) else None


def close(connection: Connection) -> None:
    """Give no further place in any list that is open; the next session opens a new one."""
    connection.execute(
        update(StatusListRow).where(StatusListRow.allotted < SIZE).values(allotted=SIZE)
    )


def drop_finished(connection: Connection, now: int, settled: int) -> Sequence[int]:
    """Delete the lists that are full and of whose sessions no token can be valid any more.

    The last place may belong to a session that is being stored; it is, or never will be, when it
    was allotted before `settled`.
    """
    needed = exists().where(SessionRow.status_list == StatusListRow.id, SessionRow.purge_at > now)
    dropped = connection.execute(
        delete(StatusListRow)
        .where(StatusListRow.allotted >= SIZE, StatusListRow.allotted_at < settled, ~needed)
        .returning(StatusListRow.id)
    )
    return dropped.scalars().all()
