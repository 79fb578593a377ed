"""Who is signed in on the pages of this server, in which browser."""

from dataclasses import asdict, dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    ForeignKey,
    String,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.core.devices import Device
from app.store.base import Base, Id, Milliseconds
from app.store.users import UserRow


class BrowserSessionRow(Base):
    __tablename__ = "browser_sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    public_id: Mapped[Id] = mapped_column(unique=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    user_epoch: Mapped[int] = mapped_column(BigInteger)
    auth_time: Mapped[Milliseconds]
    remember_me: Mapped[bool] = mapped_column(Boolean)
    idle_expires_at: Mapped[Milliseconds]
    expires_at: Mapped[Milliseconds] = mapped_column(index=True)
    last_seen_at: Mapped[Milliseconds]
    user_agent: Mapped[str | None] = mapped_column(String(200))
    ip: Mapped[str | None] = mapped_column(String(45))


@dataclass(frozen=True, slots=True, repr=False)
class BrowserSession:
    """`digest` is what the database knows of the cookie."""

    digest: str
    public_id: str
    user_id: str
    user_epoch: int
    auth_time: int
    remember_me: bool
    idle_expires_at: int
    expires_at: int
    last_seen_at: int


@dataclass(frozen=True, slots=True)
class SeenBrowser:
    """What its person gets to see of a browser session."""

    public_id: str
    auth_time: int
    last_seen_at: int
    user_agent: str | None
    ip: str | None


_FIELDS = tuple(getattr(BrowserSessionRow, name) for name in BrowserSession.__dataclass_fields__)
_IS_LIVE = and_(
    BrowserSessionRow.expires_at > bindparam("now"),
    BrowserSessionRow.idle_expires_at > bindparam("now"),
    BrowserSessionRow.user_epoch == UserRow.auth_epoch,
    UserRow.disabled_at.is_(None),
)
_LIVE = (
    select(*_FIELDS)
    .join(UserRow, UserRow.id == BrowserSessionRow.user_id)
    .where(BrowserSessionRow.digest == bindparam("digest"), _IS_LIVE)
)
_SEEN = (
    select(*(getattr(BrowserSessionRow, name) for name in SeenBrowser.__dataclass_fields__))
    .join(UserRow, UserRow.id == BrowserSessionRow.user_id)
    .where(BrowserSessionRow.user_id == bindparam("user_id"), _IS_LIVE)
    .order_by(BrowserSessionRow.last_seen_at.desc(), BrowserSessionRow.public_id)
)


def find(connection: Connection, digest: str, now: int) -> BrowserSession | None:
    """Only while it lives: not ended, not expired, of a person whose epoch has not moved."""
    row = connection.execute(_LIVE, {"digest": digest, "now": now}).first()
    return None if row is None else BrowserSession(*row)


def living(connection: Connection, user_id: str, now: int) -> list[SeenBrowser]:
    """All of a person's, the one seen last first."""
    rows = connection.execute(_SEEN, {"user_id": user_id, "now": now})
    return [SeenBrowser(*row) for row in rows]


def begin(connection: Connection, session: BrowserSession, device: Device) -> None:
    values = {**asdict(session), "user_agent": device.user_agent, "ip": device.address}
    connection.execute(insert(BrowserSessionRow).values(**values))


def forget(connection: Connection, now: int) -> None:
    connection.execute(delete(BrowserSessionRow).where(BrowserSessionRow.expires_at <= now))


def touch(connection: Connection, digest: str, now: int, idle_expires_at: int) -> None:
    connection.execute(
        update(BrowserSessionRow)
        .where(BrowserSessionRow.digest == digest)
        .values(last_seen_at=now, idle_expires_at=idle_expires_at)
    )


def renew(connection: Connection, digest: str, successor: str, auth_time: int) -> bool:
    """Another digest for the same session. False when it has ended meanwhile."""
    renewed = connection.execute(
        update(BrowserSessionRow)
        .where(BrowserSessionRow.digest == digest)
        .values(digest=successor, auth_time=auth_time)
        .returning(BrowserSessionRow.digest)
    )
    return renewed.first() is not None


def hold(connection: Connection, digest: str) -> bool:
    """Until the transaction ends, whoever would end this session waits. False when somebody has."""
    held = connection.execute(
        select(BrowserSessionRow.digest)
        .where(BrowserSessionRow.digest == digest)
        .with_for_update(read=True, key_share=True)
    )
    return held.first() is not None


def end(connection: Connection, digest: str) -> bool:
    """False when it has ended already."""
    ended = connection.execute(
        delete(BrowserSessionRow)
        .where(BrowserSessionRow.digest == digest)
        .returning(BrowserSessionRow.digest)
    )
    return ended.first() is not None


def end_of(connection: Connection, public_id: str) -> int | None:
    """When it ends by itself at the latest; None when it has ended otherwise."""
    return connection.execute(
        select(BrowserSessionRow.expires_at).where(BrowserSessionRow.public_id == public_id)
    ).scalar_one_or_none()


def end_public(connection: Connection, public_id: str) -> bool:
    """By the id that the log has. False when there is no such session, any more or ever."""
    ended = connection.execute(
        delete(BrowserSessionRow)
        .where(BrowserSessionRow.public_id == public_id)
        .returning(BrowserSessionRow.digest)
    )
    return ended.first() is not None


def end_own(connection: Connection, user_id: str, public_id: str) -> bool:
    """False when this person has no such session."""
    return bool(_ended(connection, user_id, BrowserSessionRow.public_id == public_id))


def end_others(connection: Connection, user_id: str, public_id: str) -> list[str]:
    """End the person's but for this one; which they were."""
    return _ended(connection, user_id, BrowserSessionRow.public_id != public_id)


def _ended(connection: Connection, user_id: str, which: ColumnElement[bool]) -> list[str]:
    ended = connection.execute(
        delete(BrowserSessionRow)
        .where(BrowserSessionRow.user_id == user_id, which)
        .returning(BrowserSessionRow.public_id)
    )
    return sorted(ended.scalars())


def end_begun_by(connection: Connection, user_id: str, moment: int) -> int:
    """End those of a person that began at this moment or earlier; how many they were."""
    ended = connection.execute(
        delete(BrowserSessionRow)
        .where(BrowserSessionRow.user_id == user_id, BrowserSessionRow.auth_time <= moment)
        .returning(BrowserSessionRow.digest)
    )
    return len(ended.all())
