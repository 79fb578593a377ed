"""Authorization requests that wait for a person, codes, and what people have consented to.

Of requests and codes only a digest is kept; who reads the database cannot use them.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    ForeignKey,
    String,
    Text,
    bindparam,
    case,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import Base, Id, MaybeMilliseconds, Milliseconds

KEPT = 86_400_000
"""How long an expired code is kept, so that its replay is recognised."""


class CodeRow(Base):
    __tablename__ = "authorization_codes"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[Id]
    redirect_uri: Mapped[str] = mapped_column(Text)
    redirect_uri_sent: Mapped[bool] = mapped_column(Boolean)
    challenge: Mapped[str] = mapped_column(String(43))
    scope: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    user_id: Mapped[Id]
    user_epoch: Mapped[int] = mapped_column(BigInteger)
    auth_time: Mapped[Milliseconds]
    browser_session_id: Mapped[Id]
    expires_at: Mapped[Milliseconds] = mapped_column(index=True)
    redeemed_at: Mapped[MaybeMilliseconds]


class RequestRow(Base):
    __tablename__ = "authorization_requests"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    owner: Mapped[Id]
    parameters: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Milliseconds]
    expires_at: Mapped[Milliseconds] = mapped_column(index=True)


class ConsentRow(Base):
    __tablename__ = "consents"

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    client_id: Mapped[Id] = mapped_column(ForeignKey("clients.client_id"), primary_key=True)
    covered: Mapped[str] = mapped_column(Text, primary_key=True)
    granted_at: Mapped[Milliseconds]


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """What a code stands for. `digest` is what the database knows of the code itself."""

    digest: str
    client_id: str
    redirect_uri: str
    redirect_uri_sent: bool
    challenge: str
    scope: str
    resource: str
    user_id: str
    user_epoch: int
    auth_time: int
    browser_session_id: str
    expires_at: int
    redeemed_at: int | None = None


_CODE = select(*(getattr(CodeRow, name) for name in Code.__dataclass_fields__)).where(
    CodeRow.digest == bindparam("digest")
)


def forget(connection: Connection, now: int) -> None:
    """Requests that have expired, and codes whose replay no longer means anything."""
    connection.execute(delete(RequestRow).where(RequestRow.expires_at <= now))
    connection.execute(delete(CodeRow).where(CodeRow.expires_at <= now - KEPT))


def add_code(connection: Connection, code: Code) -> None:
    connection.execute(insert(CodeRow).values(**asdict(code)))


def find_code(connection: Connection, digest: str) -> Code | None:
    row = connection.execute(_CODE, {"digest": digest}).first()
    return None if row is None else Code(*row)


def redeem(connection: Connection, digest: str, now: int) -> str | None:
    """Compare and swap: of all that redeem the code one gets the browser session that it is from."""
    redeemed = connection.execute(
        update(CodeRow)
        .where(CodeRow.digest == digest, CodeRow.redeemed_at.is_(None), CodeRow.expires_at > now)
        .values(redeemed_at=now)
        .returning(CodeRow.browser_session_id)
    )
    return redeemed.scalar_one_or_none()


class Kind(StrEnum):
    """Who a stored request belongs to: the client that pushed it, or the browser that it waits in or
    was answered in a moment ago.
    """

    PUSHED = "pushed"
    PARKED = "parked"
    ALLOWED = "allowed"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, repr=False)
class Stored:
    """A request as it was sent: the text of its parameters."""

    parameters: str
    created_at: int


def add_request(
    connection: Connection,
    kind: Kind,
    digest: str,
    owner: str,
    parameters: str,
    now: int,
    expires_at: int,
) -> None:
    connection.execute(
        insert(RequestRow).values(
            digest=digest,
            kind=kind,
            owner=owner,
            parameters=parameters,
            created_at=now,
            expires_at=expires_at,
        )
    )


def find_request(
    connection: Connection, kinds: Collection[Kind], digest: str, owner: str, now: int
) -> Stored | None:
    row = connection.execute(
        select(RequestRow.parameters, RequestRow.created_at).where(
            RequestRow.digest == digest,
            RequestRow.kind.in_(kinds),
            RequestRow.owner == owner,
            RequestRow.expires_at > now,
        )
    ).first()
    return None if row is None else Stored(*row)


def take_pushed(connection: Connection, digest: str, owner: str, now: int) -> Stored | None:
    """Use it up. Of all that try one gets it."""
    taken = connection.execute(
        delete(RequestRow)
        .where(
            RequestRow.digest == digest,
            RequestRow.kind == Kind.PUSHED,
            RequestRow.owner == owner,
            RequestRow.expires_at > now,
        )
        .returning(RequestRow.parameters, RequestRow.created_at)
    ).first()
    return None if taken is None else Stored(*taken)


def answer_parked(
    connection: Connection, digest: str, owner: str, answer: Kind, now: int, until: int
) -> bool:
    """The first answer stands; until `until`, as it was then, the same one may be given again. False
    when there is nothing to answer, or not like that.
    """
    answered = connection.execute(
        update(RequestRow)
        .where(
            RequestRow.digest == digest,
            RequestRow.kind.in_((Kind.PARKED, answer)),
            RequestRow.owner == owner,
            RequestRow.expires_at > now,
        )
        .values(
            kind=answer,
            expires_at=case((RequestRow.expires_at > until, until), else_=RequestRow.expires_at),
        )
        .returning(RequestRow.digest)
    )
    return answered.first() is not None


def has_consented(
    connection: Connection, user_id: str, client_id: str, wanted: Collection[str]
) -> bool:
    """Whether the person has allowed this client all of it before."""
    rows = connection.execute(
        select(ConsentRow.covered).where(
            ConsentRow.user_id == user_id, ConsentRow.client_id == client_id
        )
    )
    return set(wanted) <= set(rows.scalars())


def remember_consent(
    connection: Connection, user_id: str, client_id: str, wanted: Collection[str], now: int
) -> None:
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    values = [
        {"user_id": user_id, "client_id": client_id, "covered": each, "granted_at": now}
        for each in sorted(wanted)
    ]
    connection.execute(insert(ConsentRow).values(values).on_conflict_do_nothing())
