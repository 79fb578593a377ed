"""People who sign in. `auth_epoch` moves when all of a person's sessions end at once."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Connection, String, Text, bindparam, insert, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, Id, MaybeMilliseconds, Milliseconds


class UserRow(Base):
    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(255), unique=True)
    email: Mapped[str | None] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(Text)
    auth_epoch: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[Milliseconds]
    password_changed_at: Mapped[MaybeMilliseconds]
    disabled_at: Mapped[MaybeMilliseconds]


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    email: str | None
    password_hash: str | None = field(repr=False)
    auth_epoch: int
    disabled_at: int | None


_COLUMNS = tuple(getattr(UserRow, name) for name in User.__dataclass_fields__)
_BY_NAME = select(*_COLUMNS).where(UserRow.username == bindparam("name"))


def find_by_name(connection: Connection, name: str) -> User | None:
    """Names are compared exactly, in the one spelling that Unicode calls NFC."""
    row = connection.execute(_BY_NAME, {"name": normal(name)}).first()
    return None if row is None else User(*row)


def find(connection: Connection, user_id: str) -> User | None:
    row = connection.execute(select(*_COLUMNS).where(UserRow.id == user_id)).first()
    return None if row is None else User(*row)


def hold(connection: Connection, user_id: str, *, alone: bool) -> int:
    """The person's epoch, which does not move before the transaction ends: whoever would move it
    waits, and so does, with `alone`, whoever else holds the person.
    """
    epoch: int = connection.execute(
        select(UserRow.auth_epoch)
        .where(UserRow.id == user_id)
        .with_for_update(read=not alone, key_share=alone)
    ).scalar_one()
    return epoch


def known(connection: Connection, user_id: str) -> User:
    """Somebody whom a session or another row names: people are disabled, never deleted."""
    user = find(connection, user_id)
    assert user is not None, user_id
    return user


def password_is_older(connection: Connection, user_id: str, moment: int) -> bool:
    """Whether the person has a password, and it was not set at this moment or later."""
    query = select(UserRow.id).where(
        UserRow.id == user_id,
        UserRow.password_hash.is_not(None),
        or_(UserRow.password_changed_at.is_(None), UserRow.password_changed_at < moment),
    )
    return connection.execute(query).first() is not None


def normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def create(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(UserRow).values(auth_epoch=0, **values))


def replace_hash(connection: Connection, user_id: str, old_hash: str, new_hash: str) -> None:
    """Store the same password under newer parameters, unless it was changed meanwhile."""
    connection.execute(
        update(UserRow)
        .where(UserRow.id == user_id, UserRow.password_hash == old_hash)
        .values(password_hash=new_hash)
    )


def change(connection: Connection, user_id: str, values: Mapping[str, Any]) -> None:
    """Write new values and end every session of the person, in one statement."""
    connection.execute(
        update(UserRow)
        .where(UserRow.id == user_id)
        .values(auth_epoch=UserRow.auth_epoch + 1, **values)
    )


def enable(connection: Connection, user_id: str) -> None:
    connection.execute(update(UserRow).where(UserRow.id == user_id).values(disabled_at=None))
