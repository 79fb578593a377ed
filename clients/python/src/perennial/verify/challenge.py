"""What to answer a caller whose request was refused (RFC 6750 §3), in any framework."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from perennial.verify.errors import InsufficientScope, InvalidToken, Unavailable, VerifyError

_BEARER = re.compile(r"bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


class NoCredentials(Exception):  # noqa: N818  # not a fault of the caller's yet
    """The request says nothing about who makes it."""


class InvalidRequest(Exception):  # noqa: N818  # the word of RFC 6750 §3.1
    """The request cannot be understood: no token after `Bearer`, or more than one."""


Refusal = VerifyError | NoCredentials | InvalidRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """`error` is the code for the body; empty when the request carried no credentials."""

    status: int
    error: str
    headers: dict[str, str] = field(default_factory=dict)


def bearer(authorization: Sequence[str]) -> str:
    """The token in the values of the `Authorization` header; forms and queries are not looked at."""
    if len(authorization) > 1:
        raise InvalidRequest
    found = _BEARER.fullmatch(authorization[0].strip()) if authorization else None
    if found is None:
        raise NoCredentials
    if not _TOKEN.fullmatch(found[1] or ""):
        raise InvalidRequest
    return str(found[1])


def answer(refusal: Refusal, realm: str | None = None) -> Answer:
    match refusal:
        case NoCredentials():
            return _challenge(401, realm)
        case InvalidRequest():
            return _challenge(400, realm, error="invalid_request")
        case InvalidToken():
            return _challenge(401, realm, error="invalid_token")
        case InsufficientScope(required=required):
            scope = " ".join(sorted(required))
            return _challenge(403, realm, error="insufficient_scope", scope=scope)
        case Unavailable():
            return Answer(503, "temporarily_unavailable", {"Retry-After": "5"})
        case _:
            raise TypeError("no refusal")


def _challenge(status: int, realm: str | None, **parameters: str) -> Answer:
    said = {**({} if realm is None else {"realm": realm}), **parameters}
    listed = ", ".join(f"{name}={_quoted(value)}" for name, value in said.items())
    challenge = f"Bearer {listed}" if listed else "Bearer"
    return Answer(status, parameters.get("error", ""), {"WWW-Authenticate": challenge})


def _quoted(value: str) -> str:
    """A quoted-string (RFC 9110 §5.6.4); control characters cannot be written in one."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("printable ASCII was expected")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
