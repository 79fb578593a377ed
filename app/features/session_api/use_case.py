"""What the first-party API adds to the use cases it shares with the token endpoint: whom it
serves, and what people may do to their own sessions.
"""

from app.core import sessions as rules
from app.core.binding import Binding
from app.core.clients import NOBODY, Client
from app.core.events import Event, RequestRefused
from app.core.outcomes import ErrorCode
from app.core.refresh_token import RefreshToken, parse
from app.core.sessions import Channel, EndReason, Session, State
from app.protocol import clients, own_account
from app.protocol.known_tokens import session_of
from app.protocol.sign_out import end_session
from app.services.runtime import Runtime
from app.store import own_sessions, sessions, users
from app.store.users import User

LOGIN = "login"
"""How events call a sign-in at this API."""


def served(run: Runtime, client_id: str, grant: str) -> Client | None:
    """The owner's public client of this name, if it is registered with the grant."""
    client = clients.find(run, client_id, run.now())
    own = client.first_party and client.public and not client.disabled
    return client if own and grant in client.grants else None


def owner(run: Runtime, text: str) -> Client:
    """The client of the session that a refresh token claims to belong to. Nothing is proven by
    that; the session is judged later.
    """
    token = parse(text)
    if token is None:
        return NOBODY
    with run.rotations.connect() as connection:
        session = sessions.find(connection, token.sid)
    if session is None or not session.first_party:
        return NOBODY
    return clients.find(run, session.client_id, run.now())


def log_out(run: Runtime, text: str, channel: Channel) -> tuple[Event, ...]:
    """End the session of a refresh token of any generation. Nothing happens for one that is
    unknown here. Raises `RefusedError` while this host cannot tell.
    """
    found = _own(run, text, channel)
    if found is None:
        return (RequestRefused(error=ErrorCode.INVALID_GRANT, why="unknown_token"),)
    return end_session(run, found[1], EndReason.SIGNED_OUT)


def holder(run: Runtime, text: str, channel: Channel) -> Session | None:
    """The live session whose current token this is. Raises `RefusedError` as `log_out` does."""
    found = _own(run, text, channel)
    if found is None:
        return None
    token, session = found
    live = rules.state(session, run.now()) is State.LIVE
    return session if live and token.generation >= session.generation else None


def _own(run: Runtime, text: str, channel: Channel) -> tuple[RefreshToken, Session] | None:
    """A genuine token of a session that this API serves on this channel, and the session."""
    token = parse(text)
    session = None if token is None else session_of(run, token)
    if token is None or session is None or session.channel is not channel:
        return None
    return (token, session) if session.first_party and session.binding is Binding.NONE else None


def log_out_here(run: Runtime, session: Session) -> tuple[Event, ...]:
    return end_session(run, session, EndReason.SIGNED_OUT)


def log_out_everywhere(run: Runtime, session: Session) -> tuple[Event, ...]:
    return own_account.log_out_everywhere(run, session.user_id)


def person(run: Runtime, session: Session) -> User:
    with run.rotations.connect() as connection:
        return users.known(connection, session.user_id)


def living(run: Runtime, session: Session) -> list[Session]:
    """All live sessions of the person behind this one, newest first."""
    with run.rotations.connect() as connection:
        return own_sessions.living(connection, session.user_id, run.now())


def end_own(run: Runtime, session: Session, public_id: str) -> tuple[Event, ...] | None:
    """End a session of the person behind this one; None when they have none of that id."""
    return own_account.end_own(run, session.user_id, public_id)
