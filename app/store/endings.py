"""Endings of all of a person's sessions whose rows are still to be marked, queued in the transaction
that ends them.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, String, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.sessions import EndReason
from app.store.base import Base, Id, Milliseconds


class EndingRow(Base):
    __tablename__ = "endings"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[Id]
    reason: Mapped[str] = mapped_column(String(32))
    ended_at: Mapped[Milliseconds]


@dataclass(frozen=True, slots=True)
class Ending:
    """`ended_at` is UTC milliseconds."""

    id: str
    user_id: str
    reason: EndReason
    ended_at: int


def queue(connection: Connection, ending: Ending) -> None:
    connection.execute(
        insert(EndingRow).values(
            id=ending.id,
            user_id=ending.user_id,
            reason=ending.reason,
            ended_at=ending.ended_at,
        )
    )


def left_over(connection: Connection, before: int) -> list[Ending]:
    """Those of before this moment, the oldest first."""
    rows = connection.execute(
        select(EndingRow.id, EndingRow.user_id, EndingRow.reason, EndingRow.ended_at)
        .where(EndingRow.ended_at < before)
        .order_by(EndingRow.ended_at)
    )
    return [Ending(row.id, row.user_id, EndReason(row.reason), row.ended_at) for row in rows]


def forget(connection: Connection, ending: Ending) -> bool:
    """False when somebody else did, who had marked the rows as well."""
    done = connection.execute(
        delete(EndingRow).where(EndingRow.id == ending.id).returning(EndingRow.id)
    )
    return done.first() is not None
