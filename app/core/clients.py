"""What a client is and may do, as one frozen value."""

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum


class AuthMethod(StrEnum):
    """Client authentication methods (RFC 7591 §2)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


SECRET_METHODS = frozenset({AuthMethod.BASIC, AuthMethod.POST})


class Recovery(StrEnum):
    """How long the client that rotated may present the superseded token again (R6, R6k)."""

    WINDOW = "window"
    UNTIL_USED = "until-used"


@dataclass(frozen=True, slots=True)
class Secrets:
    """SHA-256 digests of the client's secrets: the current one, and the one before while the two
    overlap. A 256-bit random secret needs no slow hash.
    """

    current: bytes | None = field(default=None, repr=False)
    previous: bytes | None = field(default=None, repr=False)
    previous_until: int = 0

    def match(self, secret: bytes, now: int) -> bool:
        """Compare digests in constant time; a client without a secret costs the same work."""
        presented = digest(secret)
        accepted = hmac.compare_digest(presented, self.current or _NO_DIGEST)
        overlapping = self.previous is not None and now < self.previous_until
        former = hmac.compare_digest(presented, self.previous or _NO_DIGEST)
        return accepted or (overlapping and former)


# No SHA-256 digest has this length, so it equals none.
_NO_DIGEST = b"none"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. `min_interval` and its own lifetimes are in milliseconds; a resource
    server has `resource`.

    Access tokens of a client without `status` do not say where their session's bit is.
    """

    client_id: str
    name: str
    auth_methods: frozenset[AuthMethod]
    secrets: Secrets = Secrets()
    grants: frozenset[str] = frozenset()
    scope: str = ""
    redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    first_party: bool = False
    require_par: bool = False
    min_interval: int = 0
    recovery: Recovery = Recovery.WINDOW
    resource: str | None = None
    disabled: bool = False
    status: bool = True
    idle_ttl: int | None = None
    session_ttl: int | None = None

    @property
    def public(self) -> bool:
        return self.auth_methods == {AuthMethod.NONE}


def digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


NOBODY = Client(client_id="", name="", auth_methods=frozenset())
"""Stands in for an unknown client, so that looking it up costs what a known one costs."""
