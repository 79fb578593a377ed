"""What devices have asked for (RFC 8628), until a person decides and the device takes the tokens.

Of both codes only a digest is kept.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    String,
    Text,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.core.device import SLOWER, DeviceRequest
from app.store.base import Base, Id, MaybeMilliseconds, Milliseconds

KEPT = 3_600_000
"""How long an expired row is kept, so that the device is told why."""


class DeviceAuthorizationRow(Base):
    __tablename__ = "device_authorizations"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_digest: Mapped[str] = mapped_column(String(64), unique=True)
    client_id: Mapped[Id]
    scope: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    user_agent: Mapped[str | None] = mapped_column(String(200))
    ip: Mapped[str | None] = mapped_column(String(45))
    created_at: Mapped[Milliseconds]
    expires_at: Mapped[Milliseconds] = mapped_column(index=True)
    interval: Mapped[Milliseconds]
    polled_at: Mapped[MaybeMilliseconds]
    allowed: Mapped[bool | None] = mapped_column(Boolean)
    user_id: Mapped[str | None] = mapped_column(String(64))
    user_epoch: Mapped[int | None] = mapped_column(BigInteger)
    auth_time: Mapped[MaybeMilliseconds]
    browser_session_id: Mapped[str | None] = mapped_column(String(64))
    redeemed_at: Mapped[MaybeMilliseconds]


_Row = DeviceAuthorizationRow
_FIELDS = tuple(getattr(_Row, name) for name in DeviceRequest.__dataclass_fields__)
_BY_DEVICE = select(*_FIELDS).where(_Row.digest == bindparam("digest"))
_OPEN = select(*_FIELDS).where(
    _Row.user_digest == bindparam("user_digest"),
    _Row.allowed.is_(None),
    _Row.expires_at > bindparam("now"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Decision:
    """Whose, and from which session of a browser."""

    allowed: bool
    user_id: str
    user_epoch: int
    auth_time: int
    browser_session_id: str


def add(connection: Connection, request: DeviceRequest) -> bool:
    """False, and nothing is kept, when the user code is another device's."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    added = connection.execute(
        insert(_Row)
        .values(**asdict(request))
        .on_conflict_do_nothing(index_elements=[_Row.user_digest])
        .returning(_Row.digest)
    )
    return added.first() is not None


def find(connection: Connection, digest: str) -> DeviceRequest | None:
    row = connection.execute(_BY_DEVICE, {"digest": digest}).first()
    return None if row is None else DeviceRequest(*row)


def find_open(connection: Connection, user_digest: str, now: int) -> DeviceRequest | None:
    """By the code that people type, while there is something to decide."""
    row = connection.execute(_OPEN, {"user_digest": user_digest, "now": now}).first()
    return None if row is None else DeviceRequest(*row)


def client_of_decided(
    connection: Connection, user_digest: str, browser_session_id: str, now: int, *, allowed: bool
) -> str | None:
    """Whose device it is, if that was decided in this browser, and like this."""
    return connection.execute(
        select(_Row.client_id).where(
            _Row.user_digest == user_digest,
            _Row.browser_session_id == browser_session_id,
            _Row.allowed.is_(allowed),
            _Row.expires_at > now,
        )
    ).scalar_one_or_none()


def decide(connection: Connection, digest: str, decision: Decision, now: int) -> bool:
    """Compare and swap: the first decision in time stands."""
    decided = connection.execute(
        update(_Row)
        .where(_Row.digest == digest, _Row.allowed.is_(None), _Row.expires_at > now)
        .values(**asdict(decision))
        .returning(_Row.digest)
    )
    return decided.first() is not None


def redeem(connection: Connection, digest: str, now: int) -> str | None:
    """Compare and swap: of all that redeem an allowed request one gets the browser session in which
    it was allowed.
    """
    redeemed = connection.execute(
        update(_Row)
        .where(
            _Row.digest == digest,
            _Row.allowed.is_(True),
            _Row.redeemed_at.is_(None),
            _Row.expires_at > now,
        )
        .values(redeemed_at=now)
        .returning(_Row.browser_session_id)
    )
    return redeemed.scalar_one_or_none()


def polled(connection: Connection, request: DeviceRequest, now: int) -> bool:
    """Write down a poll that came in time. False when another came since `request` was read."""
    noted = connection.execute(
        update(_Row)
        .where(
            _Row.digest == request.digest,
            _Row.polled_at.is_not_distinct_from(request.polled_at),
            _Row.interval == request.interval,
        )
        .values(polled_at=now)
        .returning(_Row.digest)
    )
    return noted.first() is not None


def slow_down(connection: Connection, digest: str, now: int) -> None:
    connection.execute(
        update(_Row)
        .where(_Row.digest == digest)
        .values(polled_at=now, interval=_Row.interval + SLOWER)
    )


def forget(connection: Connection, now: int) -> None:
    connection.execute(delete(_Row).where(_Row.expires_at <= now - KEPT))
