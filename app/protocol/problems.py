"""Refusals of the first-party API as problem details (RFC 9457), with a reason from a closed list."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flask import Response

from app.core.events import Event, RequestRefused
from app.core.outcomes import ErrorCode, Refused
from app.core.sessions import State
from app.protocol.responses import NO_STORE, encoded

API = "/api/v1/auth/"
MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="perennial"'


class Reason(StrEnum):
    """Besides those of `State`, which tell the holder of a token why its session is over."""

    BAD_CREDENTIALS = "bad_credentials"
    INVALID_REQUEST = "invalid_request"
    CSRF = "csrf"
    CLIENT_NOT_ALLOWED = "client_not_allowed"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"


STATUS: Mapping[Reason, int] = {
    Reason.BAD_CREDENTIALS: 401,
    Reason.INVALID_REQUEST: 400,
    Reason.CSRF: 403,
    Reason.CLIENT_NOT_ALLOWED: 403,
    Reason.INSUFFICIENT_SCOPE: 403,
    Reason.RATE_LIMITED: 429,
    Reason.BUSY: 503,
}
TEXTS: Mapping[State | Reason | None, tuple[str, str]] = {
    Reason.BAD_CREDENTIALS: ("Not signed in", "The credentials are wrong or no longer valid."),
    Reason.INVALID_REQUEST: ("Invalid request", "The request is malformed."),
    Reason.CSRF: ("Not from the application", "The request does not come from the application."),
    Reason.CLIENT_NOT_ALLOWED: ("Client not allowed", "The client may not use this interface."),
    Reason.INSUFFICIENT_SCOPE: ("Not for this token", "The access token is not good for this."),
    Reason.RATE_LIMITED: ("Too many attempts", "Try again later."),
    Reason.BUSY: ("Busy", "Try again later."),
    State.IDLE: ("Session idle", "The session was not used for too long. Sign in again."),
    State.EXPIRED: ("Session expired", "The session has reached its end. Sign in again."),
    State.ENDED: ("Session ended", "The session was ended. Sign in again."),
    State.REUSED: ("Session reused", "The session was ended. Sign in again."),
    None: ("Server error", "Something went wrong on the server."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal. `challenge` is the error code a bearer is told (RFC 6750 §3.1)."""

    status: int
    reason: State | Reason | None
    retry_after: int | None = None
    challenge: str | None = None
    events: tuple[Event, ...] = ()


def problem(reason: Reason, why: str, *, challenge: str | None = None) -> Problem:
    """A refusal without a use case; `why` is for the operator."""
    event = RequestRefused(error=reason, why=why)
    return Problem(status=STATUS[reason], reason=reason, challenge=challenge, events=(event,))


def translated(refused: Refused, status: int | None = None) -> Problem:
    """The refusal of a use case that the token endpoint shares. `status` as in `responses`."""
    reason = _reason(refused)
    usual = STATUS[reason] if isinstance(reason, Reason) else 401 if reason else 500
    return Problem(
        status=status or usual,
        reason=reason,
        retry_after=refused.retry_after,
        events=refused.events,
    )


def _reason(refused: Refused) -> State | Reason | None:
    if refused.retry_after is not None:
        return Reason.RATE_LIMITED if refused.throttled else Reason.BUSY
    match refused.error:
        case ErrorCode.INVALID_GRANT:
            return refused.reason or Reason.BAD_CREDENTIALS
        case ErrorCode.SERVER_ERROR:
            return None
        case _:
            return Reason.INVALID_REQUEST


def rendered(found: Problem, issuer: str) -> Response:
    title, detail = TEXTS[found.reason]
    code = ErrorCode.SERVER_ERROR if found.reason is None else found.reason
    body: dict[str, object] = {
        "type": f"{issuer}/errors#{code}",
        "title": title,
        "status": found.status,
        "detail": detail,
    }
    if found.reason is not None:
        body["reason"] = found.reason.value
    headers = list(NO_STORE)
    if found.challenge is not None:
        headers.append(("WWW-Authenticate", f'{CHALLENGE}, error="{found.challenge}"'))
    elif found.status == STATUS[Reason.BAD_CREDENTIALS]:
        headers.append(("WWW-Authenticate", CHALLENGE))
    if found.retry_after is not None:
        headers.append(("Retry-After", str(found.retry_after)))
    return Response(encoded(body), found.status, headers, content_type=MEDIA_TYPE)
