"""What a person has allowed which client, and taking it back."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from app.store.authorizations import ConsentRow


@dataclass(frozen=True, slots=True)
class Consent:
    """`since` is when the client was first allowed anything of what it is allowed now."""

    client_id: str
    covered: tuple[str, ...]
    since: int


def of(connection: Connection, user_id: str) -> list[Consent]:
    """The oldest first."""
    found: dict[str, Consent] = {}
    rows = connection.execute(
        select(ConsentRow.client_id, ConsentRow.covered, ConsentRow.granted_at)
        .where(ConsentRow.user_id == user_id)
        .order_by(ConsentRow.granted_at, ConsentRow.client_id, ConsentRow.covered)
    )
    for client_id, covered, granted_at in rows:
        before = found.get(client_id, Consent(client_id, (), granted_at))
        found[client_id] = Consent(client_id, (*before.covered, covered), before.since)
    return list(found.values())


def hold(connection: Connection, user_id: str, client_id: str, wanted: Collection[str]) -> bool:
    """Until the transaction ends, whoever would take back what the person has allowed this client
    waits. False when not all that is wanted is allowed.
    """
    rows = connection.execute(
        select(ConsentRow.covered)
        .where(ConsentRow.user_id == user_id, ConsentRow.client_id == client_id)
        .with_for_update(read=True, key_share=True)
    )
    return set(wanted) <= set(rows.scalars())


def withdraw(connection: Connection, user_id: str, client_id: str, moment: int) -> bool:
    """Take back what was given at this moment or earlier; False when that is nothing."""
    gone = connection.execute(
        delete(ConsentRow)
        .where(
            ConsentRow.user_id == user_id,
            ConsentRow.client_id == client_id,
            ConsentRow.granted_at <= moment,
        )
        .returning(ConsentRow.client_id)
    )
    return bool(gone.all())
