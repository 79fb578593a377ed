"""Ids and states of the secrets refresh tokens are derived from; never the secrets. A check value
tells the right file from another one of the same name, and nothing else.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, LargeBinary, SmallInteger, String, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.core.refresh_token import check_value
from app.store.base import Base, Milliseconds


class SecretState(StrEnum):
    KNOWN = "known"
    ACTIVE = "active"
    RETIRED = "retired"


class SecretIdRow(Base):
    __tablename__ = "secret_ids"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(8))
    check_value: Mapped[bytes | None] = mapped_column(LargeBinary(8))
    created_at: Mapped[Milliseconds]


@dataclass(frozen=True, slots=True)
class SecretId:
    id: int
    state: SecretState
    check_value: bytes | None = None

    def fits(self, secret: bytes) -> bool:
        """Whether this is the secret that the id was given to."""
        return self.check_value is None or self.check_value == check_value(secret)


def everything(connection: Connection) -> list[SecretId]:
    columns = (SecretIdRow.id, SecretIdRow.state, SecretIdRow.check_value)
    rows = connection.execute(select(*columns).order_by(SecretIdRow.id))
    return [SecretId(row.id, SecretState(row.state), row.check_value) for row in rows]


def add(
    connection: Connection,
    secret_id: int,
    state: SecretState,
    now: int,
    check: bytes | None = None,
) -> None:
    connection.execute(
        insert(SecretIdRow).values(id=secret_id, state=state, check_value=check, created_at=now)
    )
