"""Registered clients and resource servers."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    LargeBinary,
    Row,
    String,
    Text,
    bindparam,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from app.core.clients import AuthMethod, Client, Recovery, Secrets
from app.store.base import Base, Id, MaybeMilliseconds, Milliseconds


class ClientRow(Base):
    __tablename__ = "clients"

    client_id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    auth_methods: Mapped[str] = mapped_column(Text)
    secret_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    previous_until: Mapped[int] = mapped_column(BigInteger, default=0)
    grants: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    redirect_uris: Mapped[str] = mapped_column(Text)
    origins: Mapped[str] = mapped_column(Text)
    first_party: Mapped[bool] = mapped_column(Boolean)
    require_par: Mapped[bool | None] = mapped_column(Boolean)
    min_interval: Mapped[int] = mapped_column(BigInteger)
    recovery: Mapped[str] = mapped_column(String(16))
    resource: Mapped[str | None] = mapped_column(Text, unique=True)
    created_at: Mapped[Milliseconds]
    disabled_at: Mapped[MaybeMilliseconds]
    status: Mapped[bool] = mapped_column(Boolean, server_default=true())
    idle_ttl: Mapped[MaybeMilliseconds]
    session_ttl: Mapped[MaybeMilliseconds]


_ALL = select(ClientRow.__table__)
_BY_ID = _ALL.where(ClientRow.client_id == bindparam("client_id"))


def find(connection: Connection, client_id: str) -> Client | None:
    row = connection.execute(_BY_ID, {"client_id": client_id}).first()
    return None if row is None else _client(row)


def everybody(connection: Connection) -> list[Client]:
    rows = connection.execute(_ALL.order_by(ClientRow.created_at, ClientRow.client_id))
    return [_client(row) for row in rows]


def names(connection: Connection, client_ids: Collection[str]) -> dict[str, str]:
    rows = connection.execute(
        select(ClientRow.client_id, ClientRow.name).where(ClientRow.client_id.in_(client_ids))
    )
    return {row[0]: row[1] for row in rows}


def granted_to_somebody(connection: Connection, grant: str) -> bool:
    """Whether an enabled client may use this grant."""
    return _somebody_lists(connection, ClientRow.grants, grant)


def scopes(connection: Connection) -> list[str]:
    """Every scope that some enabled client may be granted."""
    query = select(ClientRow.scope).where(ClientRow.disabled_at.is_(None)).distinct()
    return sorted({one for scope in connection.execute(query).scalars() for one in scope.split()})


def has_origin(connection: Connection, origin: str) -> bool:
    """Whether an enabled client registered exactly this origin (CORS)."""
    return _somebody_lists(connection, ClientRow.origins, origin)


def _somebody_lists(
    connection: Connection, column: InstrumentedAttribute[str], member: str
) -> bool:
    """Whether a column of words contains this very word in the row of an enabled client.

    The database only narrows the search: to SQLite small letters are capitals.
    """
    alike = (literal(" ") + column + literal(" ")).contains(f" {member} ", autoescape=True)
    query = select(column).where(alike, ClientRow.disabled_at.is_(None)).distinct()
    return any(member in words.split() for words in connection.execute(query).scalars())


def has_resource(connection: Connection, uri: str) -> bool:
    """Whether an enabled resource server registered this URI (RFC 8707)."""
    query = select(ClientRow.client_id).where(
        ClientRow.resource == uri, ClientRow.disabled_at.is_(None)
    )
    return connection.execute(query).first() is not None


def create(connection: Connection, client: Client, now: int) -> None:
    connection.execute(
        insert(ClientRow).values(
            client_id=client.client_id,
            name=client.name,
            auth_methods=" ".join(sorted(client.auth_methods)),
            secret_digest=client.secrets.current,
            previous_until=0,
            grants=" ".join(sorted(client.grants)),
            scope=client.scope,
            redirect_uris=" ".join(client.redirect_uris),
            origins=" ".join(client.origins),
            first_party=client.first_party,
            require_par=client.require_par,
            min_interval=client.min_interval,
            recovery=client.recovery,
            resource=client.resource,
            created_at=now,
            status=client.status,
            idle_ttl=client.idle_ttl,
            session_ttl=client.session_ttl,
        )
    )


def replace_secret(
    connection: Connection, client: Client, digest: bytes, overlap_until: int
) -> None:
    """The new secret works at once, the one before until `overlap_until`."""
    secrets = replace(
        client.secrets,
        current=digest,
        previous=client.secrets.current,
        previous_until=overlap_until,
    )
    connection.execute(
        update(ClientRow)
        .where(ClientRow.client_id == client.client_id)
        .values(
            secret_digest=secrets.current,
            previous_digest=secrets.previous,
            previous_until=secrets.previous_until,
        )
    )


def disable(connection: Connection, client_id: str, now: int) -> None:
    connection.execute(
        update(ClientRow)
        .where(ClientRow.client_id == client_id, ClientRow.disabled_at.is_(None))
        .values(disabled_at=now)
    )


def _client(row: Row[tuple[object, ...]]) -> Client:
    return Client(
        client_id=row.client_id,
        name=row.name,
        auth_methods=frozenset(map(AuthMethod, row.auth_methods.split())),
        secrets=Secrets(row.secret_digest, row.previous_digest, row.previous_until),
        grants=frozenset(row.grants.split()),
        scope=row.scope,
        redirect_uris=tuple(row.redirect_uris.split()),
        origins=tuple(row.origins.split()),
        first_party=row.first_party,
        require_par=bool(row.require_par),
        min_interval=row.min_interval,
        recovery=Recovery(row.recovery),
        resource=row.resource,
        disabled=row.disabled_at is not None,
        status=row.status,
        idle_ttl=row.idle_ttl,
        session_ttl=row.session_ttl,
    )
