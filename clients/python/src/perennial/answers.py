"""What an answer of the token endpoint means. Only one kind of answer ends a session."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from perennial.errors import OfflineError, ProtocolError, ServerBusyError, Unreachable
from perennial.messages import Response, TooLongError, TransportError
from perennial.record import Granted

if TYPE_CHECKING:
    from datetime import datetime

OK = 200
LONGEST_WAIT = 3600.0
BUSY = {"temporarily_unavailable", "server_error", "slow_down"}
REASONS = {"session_idle", "session_expired", "session_ended", "session_reused"}
DRIFT = 5.0
LONGEST_LIFE = 1e11


@dataclass(frozen=True, slots=True)
class Refused:
    """An OAuth error (RFC 6749 §5.2). `reason` is Perennial's, for `invalid_grant`."""

    code: str
    description: str = ""
    reason: str = "unknown"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Nobody knows what became of the request, or it was not for now. `reached` is False when the
    server cannot have seen it; `wait` is what it asked for, in seconds.
    """

    error: Unreachable
    reached: bool = True
    wait: float | None = None


Answer = Granted | Refused | Unsettled


def unsent(failure: TransportError) -> Unsettled:
    kind = ProtocolError if isinstance(failure, TooLongError) else OfflineError
    return Unsettled(kind(str(failure)), failure.reached)


def read(response: Response, *, asked_at: float) -> Answer:
    """`asked_at`, in UTC epoch seconds, is when the request went out: lifetimes count from there."""
    wait = _retry_after(response, asked_at)
    said = object_of(response)
    if response.status == OK:
        return _granted(said, response, asked_at)
    code = said.get("error")
    if response.status in {429} | set(range(500, 600)) or code in BUSY:
        text = f"the authorization server answered {response.status}"
        return Unsettled(ServerBusyError(text, wait), wait=wait)
    if response.status in {400, 401, 403} and isinstance(code, str):
        reason = said.get("reason")
        return Refused(
            code, _text(said.get("error_description")), reason if reason in REASONS else "unknown"
        )
    return _strange(f"answer {response.status} that is not OAuth")


def _granted(said: dict[str, Any], response: Response, asked_at: float) -> Granted | Unsettled:
    access, refresh = said.get("access_token"), said.get("refresh_token")
    kind = said.get("token_type", "Bearer")
    if not _is_token(access) or not (refresh is None or _is_token(refresh)):
        return _strange("a token response without tokens")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return _strange("a token of a type that was not asked for")
    lifetime = _seconds(said.get("expires_in"))
    if lifetime is None:
        lifetime = _lifetime_of_jwt(access, _server_time(response, asked_at))
    return Granted(
        issued_at=asked_at,
        access_token=access,
        refresh_token=refresh,
        lifetime=lifetime,
        scope=said["scope"] if isinstance(said.get("scope"), str) else None,
        refresh_until=_until(said.get("refresh_token_timeout"), asked_at),
        session_until=_until(said.get("authorization_expires_in"), asked_at),
    )


def _strange(text: str) -> Unsettled:
    return Unsettled(ProtocolError(text))


def object_of(response: Response) -> dict[str, Any]:
    """Empty when the body is none."""
    try:
        said = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_token(value: object) -> TypeGuard[str]:
    """RFC 6749 appendix A.12: visible ASCII, and what a header can carry."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    """Positive; servers write it as a number, some as a string. Zero says nothing."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < LONGEST_LIFE else None


def _until(value: object, asked_at: float) -> float | None:
    seconds = _seconds(value)
    return None if seconds is None else asked_at + seconds


def _lifetime_of_jwt(token: str, now: float) -> float | None:
    """By its `exp`, unverified: it is for us to know when to ask for the next one."""
    import base64  # noqa: PLC0415  # seldom needed

    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return _seconds(claims["exp"] - now)
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _server_time(response: Response, now: float) -> float:
    """Its clock is the one that `exp` is written by."""
    said = _date(response.headers.get("date"))
    there = now if said is None else said.timestamp()
    return there if abs(there - now) > DRIFT else now


def _retry_after(response: Response, now: float) -> float | None:
    """RFC 9110 §10.2.3, at most an hour."""
    said = response.headers.get("retry-after")
    if said is None:
        return None
    if said.strip().isdecimal():
        return min(float(said), LONGEST_WAIT)
    at = _date(said)
    if at is None:
        return None
    return min(max(0.0, at.timestamp() - _server_time(response, now)), LONGEST_WAIT)


def _date(text: str | None) -> "datetime | None":
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # dear, and seldom needed

    try:
        return None if text is None else parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
