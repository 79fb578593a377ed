"""What must never be lost, written in the transaction that makes it true."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Connection, Integer, String, Text, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, Id, Milliseconds


class AuditRow(Base):
    __tablename__ = "audit"

    # SQLite numbers rows by itself only for INTEGER.
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[Milliseconds]
    event: Mapped[str] = mapped_column(String(64))
    session: Mapped[Id | None] = mapped_column(index=True)
    client_id: Mapped[Id | None]
    user_id: Mapped[Id | None] = mapped_column(index=True)
    detail: Mapped[str] = mapped_column(Text, default="")


def record(connection: Connection, at: int, event: str, facts: Mapping[str, str]) -> None:
    """`facts` may name `session`, `client_id`, `user_id` and `detail`; never a secret."""
    connection.execute(
        insert(AuditRow).values(
            at=at,
            event=event,
            detail=facts.get("detail", ""),
            session=facts.get("session"),
            client_id=facts.get("client_id"),
            user_id=facts.get("user_id"),
        )
    )


def detail(connection: Connection, session: str, event: str) -> str | None:
    """What was written down about the session when `event` last happened to it."""
    found = connection.execute(
        select(AuditRow.detail)
        .where(AuditRow.session == session, AuditRow.event == event)
        .order_by(AuditRow.id.desc())
    ).first()
    return None if found is None else str(found.detail)


def knows_of_client(connection: Connection, event: str, client_id: str, since: int) -> bool:
    """Whether this happened to the client at that time or later."""
    query = select(AuditRow.id).where(
        AuditRow.event == event, AuditRow.client_id == client_id, AuditRow.at >= since
    )
    return connection.execute(query.limit(1)).first() is not None
