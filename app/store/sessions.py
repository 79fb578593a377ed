"""The session row and its statements: S1 find, S2 swap, S3 revoke.

No index touches a column that a refresh changes, so that PostgreSQL updates the row in place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    bindparam,
    delete,
    false,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.core.binding import Binding
from app.core.devices import UNSAID, Device
from app.core.sessions import Channel, EndReason, Session
from app.core.status_list import Place
from app.store.base import Base, Id, MaybeMilliseconds, Milliseconds, Sid
from app.store.users import UserRow, normal

BATCH = 500
_ENDED = text("revoked_at IS NOT NULL")


class SessionRow(Base):
    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_status_place", "status_list", "status_idx", unique=True),
        # All that building a status list reads, and nothing of sessions that live.
        Index(
            "ix_sessions_status_ended",
            "status_list",
            "revoked_at",
            "status_idx",
            postgresql_where=_ENDED,
            sqlite_where=_ENDED,
        ),
        {"postgresql_with": {"fillfactor": 75}},
    )

    sid: Mapped[Sid] = mapped_column(primary_key=True)
    public_id: Mapped[Id] = mapped_column(unique=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    secret_id: Mapped[int] = mapped_column(SmallInteger)
    gen: Mapped[int] = mapped_column(BigInteger)
    rotated_at: Mapped[Milliseconds]
    rotation_key_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    idle_ttl: Mapped[Milliseconds]
    idle_expires_at: Mapped[Milliseconds]
    expires_at: Mapped[Milliseconds]
    revoked_at: Mapped[MaybeMilliseconds] = mapped_column(index=True)
    revoke_reason: Mapped[str | None] = mapped_column(String(32))
    purge_at: Mapped[Milliseconds] = mapped_column(index=True)
    client_id: Mapped[Id] = mapped_column(ForeignKey("clients.client_id"), index=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), index=True)
    user_epoch: Mapped[int] = mapped_column(BigInteger)
    scope: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    binding: Mapped[str] = mapped_column(String(4))
    channel: Mapped[str] = mapped_column(String(8))
    code_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    status_list: Mapped[int | None] = mapped_column(BigInteger)
    status_idx: Mapped[int | None] = mapped_column(BigInteger)
    browser_session_id: Mapped[str | None] = mapped_column(String(64))
    auth_time: Mapped[Milliseconds]
    remember_me: Mapped[bool] = mapped_column(Boolean)
    device_name: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    ip: Mapped[str | None] = mapped_column(String(45))
    created_at: Mapped[Milliseconds]
    last_seen_at: Mapped[Milliseconds]
    first_party: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


_SESSION: tuple[Any, ...] = (
    SessionRow.sid,
    SessionRow.public_id,
    SessionRow.salt,
    SessionRow.secret_id,
    SessionRow.gen,
    SessionRow.rotated_at,
    SessionRow.rotation_key_hash,
    SessionRow.idle_ttl,
    SessionRow.idle_expires_at,
    SessionRow.expires_at,
    SessionRow.revoked_at,
    SessionRow.revoke_reason,
    SessionRow.client_id,
    SessionRow.user_id,
    SessionRow.user_epoch,
    SessionRow.scope,
    SessionRow.resource,
    SessionRow.binding,
    SessionRow.channel,
    SessionRow.auth_time,
    UserRow.auth_epoch,
    UserRow.disabled_at,
    SessionRow.user_agent,
    SessionRow.ip,
    SessionRow.first_party,
    SessionRow.remember_me,
    SessionRow.device_name,
    SessionRow.created_at,
    SessionRow.last_seen_at,
    SessionRow.status_list,
    SessionRow.status_idx,
)
_UP_TO_CHANNEL = _SESSION.index(SessionRow.channel) + 1
_JOINED = select(*_SESSION).join(UserRow, UserRow.id == SessionRow.user_id)
_BY_SID = _JOINED.where(SessionRow.sid == bindparam("sid"))
_BY_CODE = _JOINED.where(SessionRow.code_id == bindparam("code_id"))
_NEWEST_FIRST = (SessionRow.created_at.desc(), SessionRow.public_id)
_BY_PUBLIC_ID = _JOINED.where(SessionRow.public_id == bindparam("public_id"))


def find(connection: Connection, sid: bytes) -> Session | None:
    """S1: the session joined with its user."""
    return _session(connection.execute(_BY_SID, {"sid": sid}).first())


def find_public(connection: Connection, public_id: str) -> Session | None:
    return _session(connection.execute(_BY_PUBLIC_ID, {"public_id": public_id}).first())


def find_by_code(connection: Connection, code_id: str) -> Session | None:
    """The session that began with this code."""
    return _session(connection.execute(_BY_CODE, {"code_id": code_id}).first())


def _session(row: Sequence[Any] | None) -> Session | None:
    return None if row is None else _filled(row)


def _filled(row: Sequence[Any]) -> Session:
    *before, binding, channel = row[:_UP_TO_CHANNEL]
    *after, status_list, status_idx = row[_UP_TO_CHANNEL:]
    place = None if status_list is None else Place(status_list, status_idx)
    facts = (*before, Binding(binding), Channel(channel), *after, place)
    return Session(*facts)


@dataclass(frozen=True, slots=True)
class Swap:
    """The new state of a rotation; `from_generation` is what the row must still hold."""

    from_generation: int
    to_generation: int
    secret_id: int
    rotated_at: int
    key_hash: bytes | None
    idle_expires_at: int
    device: Device = UNSAID

    def applied(self, session: Session) -> Session:
        """The row after the swap."""
        return replace(
            session,
            generation=self.to_generation,
            secret_id=self.secret_id,
            rotated_at=self.rotated_at,
            rotation_key_hash=self.key_hash,
            idle_expires_at=self.idle_expires_at,
            user_agent=self.device.user_agent,
            ip=self.device.address,
            last_seen_at=self.rotated_at,
        )


_SWAP = (
    update(SessionRow)
    .where(
        SessionRow.sid == bindparam("b_sid"),
        SessionRow.gen == bindparam("b_gen"),
        SessionRow.revoked_at.is_(None),
        SessionRow.expires_at > bindparam("b_now"),
    )
    .values(
        gen=bindparam("b_to"),
        secret_id=bindparam("b_secret"),
        rotated_at=bindparam("b_now"),
        last_seen_at=bindparam("b_now"),
        rotation_key_hash=bindparam("b_key"),
        idle_expires_at=bindparam("b_idle"),
        user_agent=bindparam("b_agent"),
        ip=bindparam("b_ip"),
    )
    .returning(SessionRow.gen)
)
_ROTATE = _SWAP.where(SessionRow.idle_expires_at > bindparam("b_now"))


def rotate(connection: Connection, sid: bytes, swap: Swap) -> bool:
    """S2: compare and swap. False when the row has moved on, ended or expired meanwhile."""
    return connection.execute(_ROTATE, _parameters(sid, swap)).first() is not None


def heal(connection: Connection, sid: bytes, swap: Swap) -> bool:
    """S2 without the idle condition: the row is older than the token, so its idle end is too."""
    return connection.execute(_SWAP, _parameters(sid, swap)).first() is not None


def _parameters(sid: bytes, swap: Swap) -> dict[str, object]:
    return {
        "b_sid": sid,
        "b_gen": swap.from_generation,
        "b_to": swap.to_generation,
        "b_secret": swap.secret_id,
        "b_now": swap.rotated_at,
        "b_key": swap.key_hash,
        "b_idle": swap.idle_expires_at,
        "b_agent": swap.device.user_agent,
        "b_ip": swap.device.address,
    }


def revoke(connection: Connection, sid: bytes, now: int, reason: EndReason, purge_at: int) -> bool:
    """S3: end the session for good. False when it had been ended before."""
    ended = connection.execute(
        update(SessionRow)
        .where(SessionRow.sid == sid, SessionRow.revoked_at.is_(None))
        .values(revoked_at=now, revoke_reason=reason, purge_at=purge_at)
        .returning(SessionRow.sid)
    )
    return ended.first() is not None


class PlaceTakenError(Exception):
    """Another session has this place in its status list."""


def create(connection: Connection, values: Mapping[str, Any]) -> None:
    """Raises `PlaceTakenError`."""
    try:
        connection.execute(insert(SessionRow).values(**values))
    except IntegrityError as error:
        # PostgreSQL names the index, SQLite its columns.
        if "status_place" in str(error.orig) or "sessions.status_idx" in str(error.orig):
            raise PlaceTakenError from error
        raise


def purge(connection: Connection, now: int) -> int:
    """Forget up to `BATCH` sessions whose time to go has come.

    Returns how many are gone; repeat until it is zero.
    """
    due = select(SessionRow.sid).where(SessionRow.purge_at <= now).limit(BATCH)
    gone = connection.execute(
        delete(SessionRow)
        .where(SessionRow.sid.in_(due.scalar_subquery()))
        .returning(SessionRow.sid)
    )
    return len(gone.all())


def mark_ended(
    connection: Connection, user_id: str, now: int, reason: EndReason, purge_at: int
) -> int:
    """Write down the end of up to `BATCH` sessions that the person's epoch has ended already.

    Returns how many rows were marked; repeat until it is zero.
    """
    outdated = (
        select(SessionRow.sid)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(
            SessionRow.user_id == user_id,
            SessionRow.revoked_at.is_(None),
            SessionRow.user_epoch < UserRow.auth_epoch,
        )
        .limit(BATCH)
    )
    marked = connection.execute(
        update(SessionRow)
        .where(SessionRow.sid.in_(outdated.scalar_subquery()))
        .values(revoked_at=now, revoke_reason=reason, purge_at=purge_at)
        .returning(SessionRow.sid)
    )
    return len(marked.all())


def end_begun_by(
    connection: Connection, user_id: str, moment: int, now: int, reason: EndReason, purge_at: int
) -> int:
    """End up to `BATCH` sessions of a person that began at this moment or earlier.

    Returns how many were ended; repeat until it is zero.
    """
    begun = (
        select(SessionRow.sid)
        .where(
            SessionRow.user_id == user_id,
            SessionRow.revoked_at.is_(None),
            SessionRow.created_at <= moment,
        )
        .limit(BATCH)
    )
    ended = connection.execute(
        update(SessionRow)
        .where(SessionRow.sid.in_(begun.scalar_subquery()))
        .values(revoked_at=now, revoke_reason=reason, purge_at=purge_at)
        .returning(SessionRow.sid)
    )
    return len(ended.all())


def newest(connection: Connection, *conditions: ColumnElement[bool]) -> list[Session]:
    """The newest `BATCH` sessions of which all of this is true."""
    query = _JOINED.where(*conditions).order_by(*_NEWEST_FIRST).limit(BATCH)
    return [_filled(row) for row in connection.execute(query)]


def listing(
    connection: Connection,
    *,
    username: str | None = None,
    client_id: str | None = None,
    public_id: str | None = None,
) -> list[tuple[Session, str]]:
    """Sessions for an operator to look at, newest first, each with the user's name."""
    query = _JOINED.add_columns(UserRow.username).order_by(*_NEWEST_FIRST)
    if username is not None:
        query = query.where(UserRow.username == normal(username))
    if client_id is not None:
        query = query.where(SessionRow.client_id == client_id)
    if public_id is not None:
        query = query.where(SessionRow.public_id == public_id)
    return [(_filled(row[:-1]), row[-1]) for row in connection.execute(query)]
