"""What an access token says, once everything it has to say was checked (RFC 9068 §4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from perennial.verify.compact import seconds
from perennial.verify.errors import InsufficientScope, InvalidToken, Reason


@dataclass(frozen=True, slots=True)
class AccessToken:
    """`expires_at` is in UTC epoch seconds; `session_id` is None for a client's own token."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    expires_at: float
    session_id: str | None
    claims: Mapping[str, Any]

    def require(self, scopes: frozenset[str]) -> None:
        if not scopes <= self.scopes:
            raise InsufficientScope(scopes)


@dataclass(frozen=True, slots=True)
class Expected:
    """`leeway`, in seconds, is for clocks that differ: a token from just ahead is accepted. It
    never makes a token live longer.
    """

    issuer: str
    audience: frozenset[str]
    leeway: float

    def read(self, claims: dict[str, Any], now: float) -> AccessToken:
        subject, client_id = _text(claims, "sub"), _text(claims, "client_id")
        _text(claims, "jti")
        if _text(claims, "iss") != self.issuer:
            raise InvalidToken(Reason.WRONG_ISSUER)
        if not self.audience & _audience(claims):
            raise InvalidToken(Reason.WRONG_AUDIENCE)
        expires_at = _date(claims, "exp")
        if expires_at <= now:
            raise InvalidToken(Reason.EXPIRED)
        starts = max(_date(claims, "iat"), _date(claims, "nbf") if "nbf" in claims else 0)
        if starts > now + self.leeway:
            raise InvalidToken(Reason.NOT_YET_VALID)
        # Whoever presents a bound token has to prove possession, which a bearer does not
        # (RFC 7800 §3.1, RFC 9449 §7.2).
        if "cnf" in claims:
            raise InvalidToken(Reason.SENDER_CONSTRAINED)
        return AccessToken(
            subject=subject,
            client_id=client_id,
            scopes=frozenset(_text(claims, "scope").split()) if "scope" in claims else frozenset(),
            expires_at=expires_at,
            session_id=_text(claims, "sid") if "sid" in claims else None,
            claims=MappingProxyType(claims),
        )


def _text(claims: dict[str, Any], name: str) -> str:
    value = _present(claims, name)
    if not isinstance(value, str):
        raise InvalidToken(Reason.MALFORMED)
    return value


def _date(claims: dict[str, Any], name: str) -> float:
    date = seconds(_present(claims, name))
    if date is None:
        raise InvalidToken(Reason.MALFORMED)
    return date


def _audience(claims: dict[str, Any]) -> frozenset[str]:
    value = _present(claims, "aud")
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise InvalidToken(Reason.MALFORMED)
    return frozenset(listed)


def _present(claims: dict[str, Any], name: str) -> object:
    value = claims.get(name)
    if value is None or (value == "" and name != "scope"):
        raise InvalidToken(Reason.MISSING_CLAIM)
    return value
