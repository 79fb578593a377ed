"""Introspection (RFC 7662): what a token means right now, to those it concerns. Writes nothing."""

from dataclasses import dataclass

from app.core import rotation
from app.core.clients import Client
from app.core.refresh_token import RefreshToken, parse
from app.core.rotation import Heal, Repeat, Rotate, Rule, Verdict
from app.core.sessions import Session, whole_seconds
from app.services import access_tokens
from app.services.runtime import Runtime
from app.store import sessions

Members = dict[str, object]


@dataclass(frozen=True, slots=True, repr=False)
class Described:
    """What Authlib asks about a token; `members` is the answer when it is active."""

    members: Members
    visible: bool
    active: bool

    def is_expired(self) -> bool:
        return not self.active

    def is_revoked(self) -> bool:
        return not self.active


def describe(run: Runtime, client: Client, text: str) -> Described | None:
    """None for a token that is not ours; the hint makes no difference (RFC 7662 §2.1)."""
    token = parse(text)
    if token is None:
        return _access_token(run, client, text)
    return _refresh_token(run, client, token)


def _access_token(run: Runtime, client: Client, text: str) -> Described | None:
    """A client sees its own tokens, a resource server those addressed to it."""
    token = access_tokens.read(run, text)
    if token is None:
        return None
    visible = token.client_id == client.client_id or client.resource in token.audience
    active = visible and access_tokens.is_alive(run, token)
    return Described({**token.claims, "token_type": "Bearer"}, visible, active)


def _refresh_token(run: Runtime, client: Client, token: RefreshToken) -> Described | None:
    """Active exactly when presenting it now would be answered under R4, R5, R6 or R8."""
    with run.rotations.connect() as connection:
        session = sessions.find(connection, token.sid)
    presented = rotation.present(token, run.ring(), session, client.client_id)
    verdict = rotation.judge(session, presented, run.now(), run.policy(client))
    if session is None or not _would_be_answered(verdict):
        return None
    return Described(_session_members(run, session), visible=True, active=True)


def _would_be_answered(verdict: Verdict) -> bool:
    match verdict:
        case Rotate() | Heal():
            return True
        case Repeat(rule):
            return rule is not Rule.R6K_SAME_REQUESTER
        case _:
            return False


def _session_members(run: Runtime, session: Session) -> Members:
    members: Members = {
        "iss": run.settings.require_issuer(),
        "sub": session.user_id,
        "client_id": session.client_id,
        "sid": session.public_id,
        "auth_time": whole_seconds(session.auth_time),
        "exp": whole_seconds(min(session.idle_expires_at, session.expires_at)),
    }
    if session.scope:
        members["scope"] = session.scope
    return members
