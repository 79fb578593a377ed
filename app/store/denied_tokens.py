"""Access tokens refused before their time: their `jti`, until the token would have expired."""

from sqlalchemy import Connection, String, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, Milliseconds


class DeniedTokenRow(Base):
    __tablename__ = "denied_tokens"

    jti: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[Milliseconds] = mapped_column(index=True)


_DENIED = select(DeniedTokenRow.jti).where(DeniedTokenRow.jti == bindparam("jti"))


def deny(connection: Connection, jti: str, expires_at: int, now: int) -> None:
    """Remember the token, and forget those whose time has passed: the table cannot grow."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    forget(connection, now)
    connection.execute(
        insert(DeniedTokenRow).values(jti=jti, expires_at=expires_at).on_conflict_do_nothing()
    )


def forget(connection: Connection, now: int) -> None:
    connection.execute(delete(DeniedTokenRow).where(DeniedTokenRow.expires_at <= now))


def is_denied(connection: Connection, jti: str) -> bool:
    return connection.execute(_DENIED, {"jti": jti}).first() is not None
