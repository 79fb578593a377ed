"""Whose a refresh token is, of whatever generation: for ending its session, never for using it."""

from app.core.refresh_token import Authenticity, RefreshToken
from app.core.sessions import Session
from app.protocol.responses import RefusedError, busy
from app.services.runtime import Runtime
from app.store import sessions


def session_of(run: Runtime, token: RefreshToken) -> Session | None:
    """The session of a genuine token. Raises `RefusedError` while this host cannot tell."""
    with run.rotations.connect() as connection:
        session = sessions.find(connection, token.sid)
    if session is None:
        return None
    match run.ring().authenticate(token, session.salt):
        case Authenticity.GENUINE:
            return session
        case Authenticity.FORGED | Authenticity.LOST:
            return None
        case Authenticity.UNDECIDED:
            raise RefusedError(busy())
