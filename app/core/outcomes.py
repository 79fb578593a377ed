"""All that a token request can come to: issued or refused. Both are values."""

from dataclasses import dataclass, field
from enum import StrEnum

from app.core.events import Event
from app.core.sessions import Session, State


class ErrorCode(StrEnum):
    """The `error` member of an error answer (RFC 6749 §5.2 and §4.1.2.1, RFC 8707 §2, RFC 8628
    §3.5) and, of those of OpenID Connect Core §3.1.2.6, what `prompt` needs.
    """

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    ACCESS_DENIED = "access_denied"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    LOGIN_REQUIRED = "login_required"
    CONSENT_REQUIRED = "consent_required"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105  # a code
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    SERVER_ERROR = "server_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """Tokens to hand out. Durations are whole seconds, as the wire wants them; `session` is as its
    row is now, None for a client's own token.
    """

    access_token: str
    expires_in: int
    scope: str
    refresh_token: str | None = None
    refresh_token_timeout: int | None = None
    authorization_expires_in: int | None = None
    session: Session | None = field(default=None, compare=False)
    events: tuple[Event, ...] = ()

    def __repr__(self) -> str:
        return f"Issued(scope={self.scope!r}, expires_in={self.expires_in})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No tokens. `reason` is for the holder of an authentic token only; `retry_after` in seconds
    turns the answer into 429 (the caller's doing) or 503 (ours).
    """

    error: ErrorCode
    reason: State | None = None
    retry_after: int | None = None
    throttled: bool = False
    events: tuple[Event, ...] = ()


Outcome = Issued | Refused


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why an operator's wish was not carried out, in one line."""

    why: str
