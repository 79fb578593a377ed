"""Access tokens as RFC 9068 asks: which claims, how long, signed with the active key."""

import secrets
from dataclasses import dataclass

from app.core import sessions, status_list
from app.core.sessions import Session, whole_seconds
from app.core.status_list import Place
from app.services.runtime import Runtime


@dataclass(frozen=True, slots=True, repr=False)
class AccessToken:
    text: str
    expires_in: int
    scope: str


def for_session(
    run: Runtime, session: Session, scope: str, resources: tuple[str, ...], now: int
) -> AccessToken:
    """A person's token. Never outlives the session (I21). Raises `UnavailableError`."""
    end = sessions.access_token_end(now, run.access_ttl, session.expires_at)
    claims: dict[str, object] = {
        "sub": session.user_id,
        "sid": session.public_id,
        "auth_time": whole_seconds(session.auth_time),
    }
    if session.status is not None:
        claims["status"] = _status(run, session.status)
    return _sign(run, session.client_id, claims, scope, resources, now, end)


def _status(run: Runtime, place: Place) -> dict[str, object]:
    """Where a verifier finds whether the session has ended (draft-ietf-oauth-status-list §6.1)."""
    uri = status_list.uri(run.settings.require_issuer(), place.list_id)
    return {"status_list": {"idx": place.index, "uri": uri}}


def for_client(
    run: Runtime, client_id: str, scope: str, resources: tuple[str, ...], now: int
) -> AccessToken:
    """A client's token for itself (RFC 6749 §4.4): no session, no person."""
    end = now + run.access_ttl
    return _sign(run, client_id, {"sub": client_id}, scope, resources, now, end)


def _sign(
    run: Runtime,
    client_id: str,
    claims: dict[str, object],
    scope: str,
    resources: tuple[str, ...],
    now: int,
    end: int,
) -> AccessToken:
    issued_at, expires_at = whole_seconds(now), whole_seconds(end)
    claims |= {
        "iss": run.settings.require_issuer(),
        "aud": audience(run, resources),
        "client_id": client_id,
        "iat": issued_at,
        "exp": expires_at,
        "jti": secrets.token_urlsafe(16),
    }
    if scope:
        claims["scope"] = scope
    return AccessToken(run.signer().sign(claims), expires_at - issued_at, scope)


def audience(run: Runtime, resources: tuple[str, ...]) -> str | list[str]:
    """The resources asked for, or the default audience (RFC 9068 §3)."""
    if not resources:
        return run.settings.audience
    return resources[0] if len(resources) == 1 else list(resources)
