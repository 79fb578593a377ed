"""Dates and public halves of the signing keys. A private key comes here sealed, if at all."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    Select,
    String,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.keyring import Algorithm, Key
from app.store.base import Base, MaybeMilliseconds, Milliseconds


class SigningKeyRow(Base):
    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(16))
    public_jwk: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Milliseconds]
    announced_max_age: Mapped[Milliseconds]
    longest_token: Mapped[Milliseconds]
    signs_from: Mapped[MaybeMilliseconds] = mapped_column(BigInteger)
    retires_at: Mapped[MaybeMilliseconds] = mapped_column(BigInteger)
    compromised_at: Mapped[MaybeMilliseconds] = mapped_column(BigInteger)
    dropped_at: Mapped[MaybeMilliseconds] = mapped_column(BigInteger)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """`sealed` is what the vault wants to have kept with the key (services.vault)."""

    key: Key
    public_jwk: str
    """JSON text of the public JWK, private members never included (RFC 7517 §9.2)."""
    sealed: bytes | None = field(default=None, repr=False)


_KEY = tuple(getattr(SigningKeyRow, name) for name in Key.__dataclass_fields__)
_ALL = select(*_KEY, SigningKeyRow.public_jwk, SigningKeyRow.sealed).order_by(
    SigningKeyRow.created_at, SigningKeyRow.kid
)
_KEPT = _ALL.where(SigningKeyRow.dropped_at.is_(None))


def everything(connection: Connection) -> list[StoredKey]:
    """Also the keys that have left the set, for as long as they are remembered."""
    return _stored(connection, _ALL)


def kept(connection: Connection) -> list[StoredKey]:
    """The keys that have not been dropped."""
    return _stored(connection, _KEPT)


def _stored(connection: Connection, query: Select[Any]) -> list[StoredKey]:
    return [
        StoredKey(Key(row[0], Algorithm(row[1]), *row[2:-2]), row[-2], row[-1])
        for row in connection.execute(query)
    ]


def add(connection: Connection, stored: StoredKey) -> None:
    values = {name: getattr(stored.key, name) for name in Key.__dataclass_fields__}
    connection.execute(
        insert(SigningKeyRow).values(public_jwk=stored.public_jwk, sealed=stored.sealed, **values)
    )


_DATES = ("signs_from", "retires_at", "compromised_at", "dropped_at")


def write_dates(connection: Connection, keys: Iterable[Key]) -> bool:
    """Whatever a dropped key had sealed goes with it. False when one of them was compromised or
    dropped meanwhile, which nothing takes back: roll back then.
    """
    for key in keys:
        values = {name: getattr(key, name) for name in _DATES}
        if key.dropped_at is not None:
            values["sealed"] = None
        row = update(SigningKeyRow).where(SigningKeyRow.kid == key.kid)
        if key.compromised_at is None:
            row = row.where(SigningKeyRow.compromised_at.is_(None))
        if key.dropped_at is None:
            row = row.where(SigningKeyRow.dropped_at.is_(None))
        written = connection.execute(row.values(**values))
        if not written.rowcount:
            return False
    return True


def seal(connection: Connection, kid: str, sealed: bytes) -> None:
    connection.execute(
        update(SigningKeyRow)
        .where(SigningKeyRow.kid == kid, SigningKeyRow.dropped_at.is_(None))
        .values(sealed=sealed)
    )


def forget(connection: Connection, dropped_before: int) -> None:
    connection.execute(delete(SigningKeyRow).where(SigningKeyRow.dropped_at < dropped_before))


def announce(connection: Connection, max_age: int, longest_token: int) -> None:
    """Remember the longest promises made: they are never shortened by a later setting."""
    statement = update(SigningKeyRow).where(
        (SigningKeyRow.announced_max_age < max_age) | (SigningKeyRow.longest_token < longest_token)
    )
    dialect = connection.dialect.name
    larger = func.max if dialect == "sqlite" else func.greatest
    connection.execute(
        statement.values(
            announced_max_age=larger(SigningKeyRow.announced_max_age, max_age),
            longest_token=larger(SigningKeyRow.longest_token, longest_token),
        )
    )
