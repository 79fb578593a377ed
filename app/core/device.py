"""Device authorization (RFC 8628): codes that people type, and how a poll is answered."""

from dataclasses import dataclass
from enum import Enum, auto

from app.core.sessions import SECOND

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
LIFE = 600 * SECOND
INTERVAL = 5 * SECOND
SLOWER = 5 * SECOND
"""What a poll before its time adds to the interval (§3.5)."""
JITTER = SECOND // 2
"""How much sooner than the interval an honest poll may arrive, because the one before was delayed."""
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Consonants: no words, nothing that looks like a digit (§6.1). Eight of them are 34.5 bits."""
LENGTH = 8


def user_code(typed: str) -> str | None:
    """The code that somebody meant: case, punctuation and all that is no letter of a code is ignored.
    None when that leaves no code.
    """
    letters = "".join(each for each in typed if each.isascii()).upper()
    meant = "".join(letter for letter in letters if letter in LETTERS)
    return meant if len(meant) == LENGTH else None


def shown(code: str) -> str:
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


@dataclass(frozen=True, slots=True, repr=False)
class DeviceRequest:
    """What a device has asked for. `digest` and `user_digest` are what the database knows of the two
    codes; from `allowed` on it is what the person has decided, None before.
    """

    digest: str
    user_digest: str
    client_id: str
    scope: str
    resource: str
    user_agent: str | None
    ip: str | None
    created_at: int
    expires_at: int
    interval: int
    polled_at: int | None = None
    allowed: bool | None = None
    user_id: str | None = None
    user_epoch: int | None = None
    auth_time: int | None = None
    browser_session_id: str | None = None
    redeemed_at: int | None = None


class Verdict(Enum):
    PENDING = auto()
    SLOW_DOWN = auto()
    ISSUE = auto()
    DENIED = auto()
    EXPIRED = auto()
    USED = auto()


def judge(request: DeviceRequest, now: int) -> Verdict:
    """How a poll of the right client is answered (§3.5). What is decided is told without delay."""
    if request.redeemed_at is not None:
        return Verdict.USED
    if now >= request.expires_at:
        return Verdict.EXPIRED
    if request.allowed is not None:
        return Verdict.ISSUE if request.allowed else Verdict.DENIED
    if request.polled_at is not None and now - request.polled_at < request.interval - JITTER:
        return Verdict.SLOW_DOWN
    return Verdict.PENDING
