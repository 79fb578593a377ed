"""Ids and states of the secrets refresh tokens are derived from; never the secrets. A check value
tells the right file from another one of the same name, and nothing else.
"""

from sqlalchemy import Connection, LargeBinary, SmallInteger, String, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from app.core.derivation import SecretId, SecretState
from app.store.base import Base, MaybeMilliseconds, Milliseconds


class SecretIdRow(Base):
    __tablename__ = "secret_ids"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(8))
    check_value: Mapped[bytes | None] = mapped_column(LargeBinary(8))
    created_at: Mapped[Milliseconds]
    activated_at: Mapped[MaybeMilliseconds]


def everything(connection: Connection) -> list[SecretId]:
    columns = (
        SecretIdRow.id,
        SecretIdRow.state,
        SecretIdRow.check_value,
        SecretIdRow.created_at,
        SecretIdRow.activated_at,
    )
    rows = connection.execute(select(*columns).order_by(SecretIdRow.id))
    return [SecretId(row[0], SecretState(row[1]), *row[2:]) for row in rows]


def add(
    connection: Connection,
    secret_id: int,
    state: SecretState,
    now: int,
    check: bytes | None = None,
) -> None:
    connection.execute(
        insert(SecretIdRow).values(
            id=secret_id,
            state=state,
            check_value=check,
            created_at=now,
            activated_at=now if state is SecretState.ACTIVE else None,
        )
    )


def activate(connection: Connection, secret_id: int, now: int) -> bool:
    """Make it the active one; those before it stay known. False when it is no longer known."""
    changed = connection.execute(
        update(SecretIdRow)
        .where(SecretIdRow.id == secret_id, SecretIdRow.state == SecretState.KNOWN)
        .values(state=SecretState.ACTIVE, activated_at=now)
        .returning(SecretIdRow.id)
    )
    if changed.first() is None:
        return False
    connection.execute(
        update(SecretIdRow)
        .where(SecretIdRow.id < secret_id, SecretIdRow.state == SecretState.ACTIVE)
        .values(state=SecretState.KNOWN)
    )
    return True


def retire(connection: Connection, entry: SecretId) -> bool:
    """False when it is no longer in the state that it was seen in."""
    changed = connection.execute(
        update(SecretIdRow)
        .where(SecretIdRow.id == entry.id, SecretIdRow.state == entry.state)
        .values(state=SecretState.RETIRED)
        .returning(SecretIdRow.id)
    )
    return changed.first() is not None
