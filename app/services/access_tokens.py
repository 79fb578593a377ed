"""Access tokens that come back: the claims of one that this server issued and that lives."""

from dataclasses import dataclass
from typing import Any

from app.core import sessions as rules
from app.core.sessions import SECOND, Session, State
from app.services import signer
from app.services.runtime import Runtime
from app.store import denied_tokens, sessions


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    """Signed by us and not expired; whether it still counts is for `is_alive` to say."""

    claims: dict[str, Any]

    @property
    def client_id(self) -> str:
        return str(self.claims["client_id"])

    @property
    def jti(self) -> str:
        return str(self.claims["jti"])

    @property
    def expires_at(self) -> int:
        """UTC milliseconds."""
        return int(self.claims["exp"]) * SECOND

    @property
    def audience(self) -> tuple[str, ...]:
        aud = self.claims["aud"]
        return (aud,) if isinstance(aud, str) else tuple(aud)


def read(run: Runtime, text: str) -> AccessToken | None:
    """Form, signature, issuer and dates (RFC 9068 §4); None for anything else."""
    now = run.now()
    claims = signer.verify(text, run.keystore.published(now))
    if claims is None or claims.get("iss") != run.settings.require_issuer():
        return None
    token = AccessToken(claims)
    return token if token.expires_at > now else None


def is_alive(run: Runtime, token: AccessToken) -> bool:
    """Not denied, its client enabled, its session live (RFC 7662 §4)."""
    if "sid" in token.claims:
        return living_session(run, token) is not None
    if not _client_is_enabled(run, token):
        return False
    with run.rotations.connect() as connection:
        return not denied_tokens.is_denied(connection, token.jti)


def living_session(run: Runtime, token: AccessToken) -> Session | None:
    """The session of a token that is alive; None as well for a token without a session."""
    if not _client_is_enabled(run, token):
        return None
    with run.rotations.connect() as connection:
        if denied_tokens.is_denied(connection, token.jti):
            return None
        session = sessions.find_public(connection, str(token.claims.get("sid")))
    if session is None or rules.state(session, run.now()) is not State.LIVE:
        return None
    return session


def _client_is_enabled(run: Runtime, token: AccessToken) -> bool:
    client = run.registry.client(token.client_id, run.now())
    return client is not None and not client.disabled
