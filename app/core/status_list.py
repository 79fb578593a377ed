"""Token Status Lists (draft-ietf-oauth-status-list): one bit for each session, 1 once it has ended.

A list has places for `SIZE` sessions. Who gets which is a permutation under the list's key, so that
an index does not tell how many signed in before, and none is given twice.
"""

import base64
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

SECOND = 1000
INDEX_BITS = 17
SIZE = 1 << INDEX_BITS
NAME_BITS = 63
PATH = "/oauth/status/"
LONGEST_STEP = 10

_LEFT_BITS = INDEX_BITS // 2
_RIGHT_BITS = INDEX_BITS - _LEFT_BITS
_LEFT, _RIGHT = (1 << _LEFT_BITS) - 1, (1 << _RIGHT_BITS) - 1
_ROUNDS = 10
_NAME = re.compile("[0-7][0-9a-f]{15}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session's bit is."""

    list_id: int
    index: int


def place(key: bytes, number: int) -> int:
    """The index of the session that is `number`-th in its list: a Feistel network of two halves."""
    if not 0 <= number < SIZE:
        raise ValueError(f"a list has {SIZE} places")
    left, right = number >> _RIGHT_BITS, number & _RIGHT
    for turn in range(_ROUNDS):
        if turn % 2:
            left ^= _mixed(key, turn, right) & _LEFT
        else:
            right ^= _mixed(key, turn, left) & _RIGHT
    return left << _RIGHT_BITS | right


def _mixed(key: bytes, turn: int, half: int) -> int:
    message = bytes((turn,)) + half.to_bytes(2, "big")
    return int.from_bytes(blake2b(message, key=key, digest_size=2).digest(), "big")


def name(list_id: int) -> str:
    """A list's name in its URI."""
    return f"{list_id:016x}"


def uri(issuer: str, list_id: int) -> str:
    return f"{issuer}{PATH}{name(list_id)}"


def parse(text: str) -> int | None:
    """The list of this name; None for what is no name at all."""
    return int(text, 16) if _NAME.fullmatch(text) else None


def blank() -> bytearray:
    return bytearray(SIZE // 8)


def mark(bits: bytearray, indices: Iterable[int]) -> None:
    """Set bits; the first index is the lowest bit of the first octet (section 4.1)."""
    for index in indices:
        bits[index >> 3] |= 1 << (index & 7)


def encoded(bits: bytes) -> str:
    """`lst` of section 4.2: ZLIB at its highest level, base64url without padding."""
    return base64.urlsafe_b64encode(zlib.compress(bits, 9)).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a list may be cached, and the steps in which its dates move; seconds.

    Workers that read the same bits within one step make the same list. A list expires two steps
    after its `ttl`: whoever fetches it may use it for all of that, and the key that signed it,
    which outlives its last access token by 30 seconds, is still published.
    """

    ttl: int
    step: int

    @classmethod
    def of(cls, status_ttl: int, access_ttl: int) -> Self:
        """Nobody needs a list for longer than an access token lives."""
        ttl = min(status_ttl, access_ttl)
        return cls(ttl, min(max(1, ttl // 4), LONGEST_STEP))

    def dates(self, read_at: int) -> tuple[int, int]:
        """`iat` and `exp` of a list as it was at this moment (UTC milliseconds)."""
        issued = read_at // SECOND // self.step * self.step
        return issued, issued + self.ttl + 2 * self.step


def claims(uri: str, bits: bytes, pace: Pace, read_at: int) -> dict[str, object]:
    """The claims of a Status List Token (section 5.1)."""
    issued_at, expires_at = pace.dates(read_at)
    return {
        "sub": uri,
        "iat": issued_at,
        "exp": expires_at,
        "ttl": pace.ttl,
        "status_list": {"bits": 1, "lst": encoded(bits)},
    }
