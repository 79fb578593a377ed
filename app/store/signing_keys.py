"""Dates and public halves of the signing keys; private keys never come here."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, String, Text, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core.keyring import Key
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


@dataclass(frozen=True, slots=True)
class PublishedKey:
    key: Key
    public_jwk: str
    """JSON text of the public JWK, private members never included (RFC 7517 §9.2)."""


_KEY = tuple(getattr(SigningKeyRow, name) for name in Key.__dataclass_fields__)
_ALL = select(*_KEY, SigningKeyRow.public_jwk).order_by(SigningKeyRow.created_at, SigningKeyRow.kid)


def everything(connection: Connection) -> list[PublishedKey]:
    return [PublishedKey(Key(*row[:-1]), row[-1]) for row in connection.execute(_ALL)]


def add(connection: Connection, key: Key, public_jwk: str) -> None:
    values = {name: getattr(key, name) for name in Key.__dataclass_fields__}
    connection.execute(insert(SigningKeyRow).values(public_jwk=public_jwk, **values))


def write_dates(connection: Connection, keys: Sequence[Key]) -> None:
    for key in keys:
        connection.execute(
            update(SigningKeyRow)
            .where(SigningKeyRow.kid == key.kid)
            .values(signs_from=key.signs_from, retires_at=key.retires_at)
        )


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
