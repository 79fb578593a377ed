"""How a session begins: shared by every grant that a person stands behind."""

import secrets

from sqlalchemy import Connection

from app.core import sessions as rules
from app.core.binding import Binding
from app.core.clients import Client
from app.core.devices import UNSAID, Device
from app.core.events import Event, SignedIn
from app.core.outcomes import Issued
from app.core.refresh_token import SALT_BYTES, SID_BYTES
from app.core.sessions import Session, Terms, whole_seconds
from app.core.status_list import Place
from app.protocol import issuance
from app.protocol.requested import Coverage
from app.protocol.sign_out import end_surplus
from app.services.keystore import UnavailableError
from app.services.runtime import Runtime
from app.store import sessions, status_lists, users
from app.store.sessions import PlaceTakenError
from app.store.users import User

REFRESH_GRANT = "refresh_token"
FIRST_GENERATION = 1
AT_TOKEN_ENDPOINT = Terms()


def draft(
    run: Runtime,
    client: Client,
    user: User,
    covered: Coverage,
    now: int,
    terms: Terms = AT_TOKEN_ENDPOINT,
    device: Device = UNSAID,
    *,
    auth_time: int | None = None,
) -> Session:
    """A session that is about to begin, not stored yet: its place in a status list is taken.
    `auth_time` is when the person signed in, if that was before. Raises `UnavailableError`.
    """
    status = _place(run, now) if client.status else None
    lifetimes = run.lifetimes.with_own(client.idle_ttl, client.session_ttl).chosen(terms)
    ends = rules.ends(now, lifetimes)
    return Session(
        sid=secrets.token_bytes(SID_BYTES),
        public_id=secrets.token_hex(16),
        salt=secrets.token_bytes(SALT_BYTES),
        secret_id=run.ring().active,
        generation=FIRST_GENERATION,
        rotated_at=now,
        rotation_key_hash=None,
        idle_ttl=lifetimes.idle,
        idle_expires_at=ends.idle,
        expires_at=ends.absolute,
        revoked_at=None,
        revoke_reason=None,
        client_id=client.client_id,
        user_id=user.id,
        user_epoch=user.auth_epoch,
        scope=covered.scope,
        resource=" ".join(covered.resources),
        binding=Binding.NONE,
        channel=terms.channel,
        auth_time=now if auth_time is None else auth_time,
        current_epoch=user.auth_epoch,
        user_disabled_at=None,
        first_party=terms.first_party,
        remember_me=terms.remember_me,
        created_at=now,
        last_seen_at=now,
        user_agent=device.user_agent,
        ip=device.address,
        device_name=device.name,
        status=status,
    )


def _place(run: Runtime, now: int) -> Place:
    """Taken before the session's own transaction, which therefore waits for no other sign-in."""
    with run.rotations.connect() as connection:
        return status_lists.allot(connection, now)


def tokens(
    run: Runtime,
    client: Client,
    session: Session,
    now: int,
    grant: str,
    resources: tuple[str, ...] | None = None,
) -> Issued:
    """The first tokens. A refresh token only for clients that may use it (RFC 6749 §5.1). The access
    token may be for some of the session's resources only (RFC 8707 §2.2).
    """
    wanted = session.resources if resources is None else resources
    access = issuance.for_session(run, session, session.scope, wanted, now)
    event = SignedIn(session.public_id, session.client_id, session.user_id, grant)
    if REFRESH_GRANT not in client.grants:
        return Issued(
            access_token=access.text,
            expires_in=access.expires_in,
            scope=session.scope,
            authorization_expires_in=whole_seconds(session.expires_at - now),
            session=session,
            events=(event,),
        )
    return Issued(
        access_token=access.text,
        expires_in=access.expires_in,
        scope=session.scope,
        refresh_token=run.ring().mint(
            session.secret_id, session.sid, session.salt, session.generation
        ),
        refresh_token_timeout=whole_seconds(session.idle_expires_at - now),
        authorization_expires_in=whole_seconds(session.expires_at - now),
        session=session,
        events=(event,),
    )


def store(
    connection: Connection, run: Runtime, session: Session, device: Device, **origin: str
) -> tuple[Event, ...] | None:
    """Write the row, in the caller's transaction, and end the sessions that are now too many.
    `origin` may be a code or a browser session. Returns what to publish after the commit; None, and
    nothing is written, when all of the person's sessions were ended since this one was drafted: who
    marks rows and fills status lists would not come across it any more. Raises `UnavailableError`:
    the sign-in has to be repeated with another place in a status list.
    """
    limited = run.settings.max_sessions > 0
    if users.hold(connection, session.user_id, alone=limited) != session.user_epoch:
        return None
    ended = end_surplus(connection, run, session)
    try:
        sessions.create(connection, {**_row(run, session, device), **origin})
    except PlaceTakenError:
        raise UnavailableError("a place in a status list was given twice") from None
    return ended


def _row(run: Runtime, session: Session, device: Device) -> dict[str, object]:
    return {
        "sid": session.sid,
        "public_id": session.public_id,
        "salt": session.salt,
        "secret_id": session.secret_id,
        "gen": session.generation,
        "rotated_at": session.rotated_at,
        "idle_ttl": session.idle_ttl,
        "idle_expires_at": session.idle_expires_at,
        "expires_at": session.expires_at,
        "purge_at": rules.purge_time(session.expires_at, run.access_ttl),
        "client_id": session.client_id,
        "user_id": session.user_id,
        "user_epoch": session.user_epoch,
        "scope": session.scope,
        "resource": session.resource,
        "binding": session.binding,
        "channel": session.channel,
        "auth_time": session.auth_time,
        "remember_me": session.remember_me,
        "first_party": session.first_party,
        "device_name": device.name,
        "user_agent": device.user_agent,
        "ip": device.address,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "status_list": None if session.status is None else session.status.list_id,
        "status_idx": None if session.status is None else session.status.index,
    }
