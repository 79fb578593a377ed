"""Access tokens, opaque or shaped like a JWT; only this server can tell which are good."""

import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from clients.conformance.configuration import Configuration
from clients.conformance.families import MARK, Family


@dataclass(slots=True)
class Access:
    family: Family
    expires: float
    denied: bool = False


class AccessTokens:
    """All of one server. Its caller sees to it that one thread at a time is inside."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._all: dict[str, Access] = {}

    def mint(self, family: Family, now: float, rules: Configuration) -> tuple[str, float]:
        """A token, and for how many seconds it is good."""
        lifetime = min(rules.access, family.ends - now)
        secret = f"{MARK}at_{family.id}_{secrets.token_urlsafe(18)}"
        claims = {"iss": self._issuer, "sub": family.user, "iat": int(now), "exp": now + lifetime}
        token = ".".join((_part({"alg": "RS256"}), _part(claims), secret)) if rules.jwt else secret
        self._all[token] = Access(family, now + lifetime)
        return token, lifetime

    def find(self, token: str) -> Access | None:
        return self._all.get(token)

    def current(self, token: str, now: float) -> Family | None:
        """The family that the token is good for now."""
        found = self._all.get(token)
        if found is None or found.denied or now >= found.expires or found.family.over(now):
            return None
        return found.family

    def deny_all(self) -> None:
        """Refuse everything issued so far, as after a change of keys."""
        for access in self._all.values():
            access.denied = True


def _part(members: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()
