"""What an answer of the token endpoint means. Only one kind of answer ends a session."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import unquote_plus

from perennial.errors import OfflineError, ProtocolError, ServerBusyError, Unreachable
from perennial.messages import Response, TooLongError, TransportError
from perennial.record import Granted

OK = 200
LONGEST_WAIT = 3600.0
BUSY = {"temporarily_unavailable", "server_error", "slow_down"}
REASONS = {"session_idle", "session_expired", "session_ended", "session_reused"}
DRIFT = 5.0
LONGEST_LIFE = 1e11
LONGEST_TEXT = 200
# Parameters that may be repeated in a description: those that only say what was asked for.
_HARMLESS = {
    "client_id",
    "code_challenge_method",
    "grant_type",
    "login_hint",
    "prompt",
    "redirect_uri",
    "remember_me",
    "resource",
    "response_type",
    "scope",
    "username",
}
_CODE = re.compile(r"[ !#-\[\]-~]{1,100}")  # RFC 6749 appendix A.7
_UNSHOWN = re.compile(r"[^ -~]+")


class Refused(NamedTuple):
    """An OAuth error (RFC 6749 §5.2). `reason` is Perennial's, for `invalid_grant`."""

    code: str
    description: str = ""
    reason: str = "unknown"


class Unsettled(NamedTuple):
    """Nobody knows what became of the request, or it was not for now. `reached` is False when the
    server cannot have seen it; `wait` is what it asked for, in seconds.
    """

    error: Unreachable
    reached: bool = True
    wait: float | None = None


Answer = Granted | Refused | Unsettled


def unsent(failure: TransportError) -> Unsettled:
    kind = ProtocolError if isinstance(failure, TooLongError) else OfflineError
    return Unsettled(kind(shown(str(failure))), failure.reached)


def read(response: Response, *, asked_at: float, secrets: Collection[str] = ()) -> Answer:
    """`asked_at`, in UTC epoch seconds, is when the request went out: lifetimes count from there.
    `secrets`, by `secrets_of`, are what no description may repeat.
    """
    wait = _retry_after(response, asked_at)
    said = object_of(response)
    if response.status == OK:
        return _granted(said, response, asked_at)
    code = code_of(said.get("error"))
    if response.status in {429} | set(range(500, 600)) or code in BUSY:
        text = f"the authorization server answered {response.status}"
        return Unsettled(ServerBusyError(text, wait), wait=wait)
    if response.status in {400, 401, 403} and code is not None:
        reason = said.get("reason")
        if not isinstance(reason, str) or reason not in REASONS:
            reason = "unknown"
        return Refused(code, shown(said.get("error_description"), secrets), reason)
    return _strange(f"answer {response.status} that is not OAuth")


def _granted(said: dict[str, Any], response: Response, asked_at: float) -> Granted | Unsettled:
    access, refresh = said.get("access_token"), said.get("refresh_token")
    if refresh == "":  # what servers write whose language has no other word for none
        refresh = None
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


def secrets_of(form: Mapping[str, str], client_secret: str | None = None) -> list[str]:
    """What of a request nobody else may read. A parameter that is not known is a secret."""
    kept = [value for name, value in form.items() if name not in _HARMLESS]
    return [secret for secret in [*kept, client_secret] if secret]


def code_of(value: object) -> str | None:
    """An `error` as RFC 6749 §5.2 allows it; None where it is none."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def shown(value: object, secrets: Collection[str] = ()) -> str:
    """What of a server's text may reach a terminal or a log: printable ASCII, not much of it, and
    nothing at all where it repeats a secret.
    """
    if not isinstance(value, str):
        return ""
    plain = unquote_plus(value)
    if any(secret in value or secret in plain for secret in secrets):
        return ""
    return _UNSHOWN.sub("?", " ".join(value.split()))[:LONGEST_TEXT]


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
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def _server_time(response: Response, now: float) -> float:
    """Its clock is the one that `exp` is written by."""
    said = _date(response.headers.get("date"))
    there = now if said is None else said
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
    return min(max(0.0, at - _server_time(response, now)), LONGEST_WAIT)


def _date(text: str | None) -> float | None:
    """In UTC epoch seconds."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # dear, and seldom needed

    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
