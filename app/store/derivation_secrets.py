"""Ids and states of the secrets refresh tokens are derived from; never the secrets."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, SmallInteger, String, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, Milliseconds


class SecretState(StrEnum):
    KNOWN = "known"
    ACTIVE = "active"
    RETIRED = "retired"


class SecretIdRow(Base):
    __tablename__ = "secret_ids"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[Milliseconds]


@dataclass(frozen=True, slots=True)
class SecretId:
    id: int
    state: SecretState


def everything(connection: Connection) -> list[SecretId]:
    rows = connection.execute(select(SecretIdRow.id, SecretIdRow.state).order_by(SecretIdRow.id))
    return [SecretId(row.id, SecretState(row.state)) for row in rows]


def add(connection: Connection, secret_id: int, state: SecretState, now: int) -> None:
    connection.execute(insert(SecretIdRow).values(id=secret_id, state=state, created_at=now))
