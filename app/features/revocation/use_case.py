"""Revocation (RFC 7009): what a token stands for, and ending it."""

from dataclasses import dataclass

from app.core import sessions as rules
from app.core.events import AccessTokenDenied, Event, SessionEnded
from app.core.refresh_token import parse
from app.core.sessions import EndReason, Session
from app.protocol.known_tokens import session_of
from app.services import access_tokens
from app.services.access_tokens import AccessToken
from app.services.runtime import Runtime
from app.store import denied_tokens, sessions
from app.store.base import durable_statement


@dataclass(frozen=True, slots=True)
class Revocable:
    """A genuine token of ours: a session (by any generation of its token) or one access token."""

    meant: Session | AccessToken

    def check_client(self, client: object) -> bool:
        """Whether the token was issued to this client; Authlib asks."""
        return bool(self.meant.client_id == getattr(client, "client_id", None))


def find(run: Runtime, text: str) -> Revocable | None:
    """Look among both kinds, whatever the hint said (RFC 7009 §2.1)."""
    token = parse(text)
    if token is None:
        access = access_tokens.read(run, text)
        return None if access is None else Revocable(access)
    session = session_of(run, token)
    return None if session is None else Revocable(session)


def revoke(run: Runtime, revocable: Revocable) -> tuple[Event, ...]:
    """Durable when it returns: for every request that starts later the token is dead."""
    match revocable.meant:
        case Session() as session:
            return _end(run, session)
        case AccessToken() as token:
            return _deny(run, token)


def _end(run: Runtime, session: Session) -> tuple[Event, ...]:
    now = run.now()
    purge_at = rules.purge_time(now, run.access_ttl)
    with durable_statement(run.transactions) as connection:
        ended = sessions.revoke(connection, session.sid, now, EndReason.CLIENT, purge_at)
    if not ended:
        return ()
    return (SessionEnded(session.public_id, session.client_id, session.user_id, EndReason.CLIENT),)


def _deny(run: Runtime, token: AccessToken) -> tuple[Event, ...]:
    """Only this token; its session goes on (CONTRACT §4)."""
    with run.transactions.begin() as connection:
        denied_tokens.deny(connection, token.jti, token.expires_at, run.now())
    return (AccessTokenDenied(token.client_id, token.jti, token.expires_at),)
