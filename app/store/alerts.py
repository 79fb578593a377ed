"""Alerts that wait to be delivered, queued in the transaction that makes them true."""

from sqlalchemy import Connection, SmallInteger, String, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core.alerts import Alert
from app.store.base import Base, Milliseconds


class AlertRow(Base):
    __tablename__ = "alerts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str] = mapped_column(Text)
    due_at: Mapped[Milliseconds] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(SmallInteger)


def queue(connection: Connection, alert: Alert, now: int) -> None:
    connection.execute(
        insert(AlertRow).values(id=alert.id, body=alert.body, due_at=now, attempts=0)
    )


def due(connection: Connection, now: int, most: int) -> list[Alert]:
    """Those whose time has come, the longest waiting first."""
    rows = connection.execute(
        select(AlertRow.id, AlertRow.body, AlertRow.attempts)
        .where(AlertRow.due_at <= now)
        .order_by(AlertRow.due_at)
        .limit(most)
    )
    return [Alert(row.id, row.body, row.attempts) for row in rows]


def postpone(connection: Connection, alert: Alert, due_at: int) -> None:
    """After one more failed attempt."""
    connection.execute(
        update(AlertRow)
        .where(AlertRow.id == alert.id)
        .values(due_at=due_at, attempts=alert.attempts + 1)
    )


def forget(connection: Connection, alert: Alert) -> None:
    connection.execute(delete(AlertRow).where(AlertRow.id == alert.id))
