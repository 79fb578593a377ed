"""Refresh tokens are derived, never stored: wire format, minting, parsing, authenticity.

```
token      = "prn_rt_" + base62(version | secret id | sid | generation | tag) + base62(CRC32)
family key = HMAC-SHA256(secret, "rt-family-v1" | 0 | sid | salt)
tag        = HMAC-SHA256(family key, "rt-token-v1" | 0 | version | secret id | sid | generation)[:20]
```

The secret lives outside the database and the salt inside it, so neither leak alone yields a token.
The tag has 160 bits (RFC 6749 §10.10 asks for 128, recommends 160).
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never
from zlib import crc32

PREFIX = "prn_rt_"
VERSION = 1
SECRET_BYTES = 32
SALT_BYTES = 32
SID_BYTES = 16
GENERATION_BYTES = 5
TAG_BYTES = 20
BODY_BYTES = 2 + SID_BYTES + GENERATION_BYTES + TAG_BYTES
BODY_DIGITS = 58
CHECKSUM_DIGITS = 6
LENGTH = len(PREFIX) + BODY_DIGITS + CHECKSUM_DIGITS

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGIT = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A well-formed token whose tag nobody has verified yet."""

    secret_id: int
    sid: bytes
    generation: int
    tag: bytes


class Availability(Enum):
    """Whether this host can compute with a derivation secret."""

    HELD = "held"
    AWAITED = "awaited"
    """Not here, but in use elsewhere: the roll-out has not reached this host yet."""
    GONE = "gone"


class Authenticity(Enum):
    GENUINE = "genuine"
    FORGED = "forged"
    UNDECIDED = "undecided"
    """The secret is awaited; nothing can be said yet."""
    LOST = "lost"
    """The secret is gone; nothing can ever be said."""


@dataclass(frozen=True, slots=True, repr=False)
class Ring:
    """The derivation secrets of this host, and what the database says about their ids.

    `awaited` holds the ids that the database calls known or active; `newest` is the largest id
    it has ever seen, so that an id beyond it is one this host has not heard of yet.
    """

    secrets: Mapping[int, bytes]
    active: int
    awaited: frozenset[int]
    newest: int

    def availability(self, secret_id: int) -> Availability:
        if secret_id in self.secrets:
            return Availability.HELD
        if secret_id in self.awaited or secret_id > self.newest:
            return Availability.AWAITED
        return Availability.GONE

    def mint(self, secret_id: int, sid: bytes, salt: bytes, generation: int) -> str:
        """The one token string of (sid, generation) under this secret."""
        head = _head(secret_id, sid, generation)
        return _encode(head + _tag(self.secrets[secret_id], sid, salt, head))

    def authenticate(self, token: RefreshToken, salt: bytes) -> Authenticity:
        """Compare the tag in constant time (RFC 6749 §10.4)."""
        match self.availability(token.secret_id):
            case Availability.AWAITED:
                return Authenticity.UNDECIDED
            case Availability.GONE:
                return Authenticity.LOST
            case Availability.HELD:
                head = _head(token.secret_id, token.sid, token.generation)
                expected = _tag(self.secrets[token.secret_id], token.sid, salt, head)
                genuine = hmac.compare_digest(expected, token.tag)
                return Authenticity.GENUINE if genuine else Authenticity.FORGED
            case unreachable:
                assert_never(unreachable)


def check_value(secret: bytes) -> bytes:
    """Eight bytes that recognise a secret and give nothing of it away."""
    return hmac.digest(secret, b"rt-check-v1", "sha256")[:8]


def parse(text: str) -> RefreshToken | None:
    """Read a token, or None when it could not have been written by `Ring.mint` (rule R0)."""
    if len(text) != LENGTH or not text.startswith(PREFIX):
        return None
    signed, checksum = text[:-CHECKSUM_DIGITS], text[-CHECKSUM_DIGITS:]
    number = _decode(signed[len(PREFIX) :])
    if number is None or number >> (8 * BODY_BYTES) or _checksum(signed) != checksum:
        return None
    body = number.to_bytes(BODY_BYTES, "big")
    if body[0] != VERSION:
        return None
    generation = int.from_bytes(body[2 + SID_BYTES : 2 + SID_BYTES + GENERATION_BYTES], "big")
    return RefreshToken(body[1], body[2 : 2 + SID_BYTES], generation, body[-TAG_BYTES:])


def _head(secret_id: int, sid: bytes, generation: int) -> bytes:
    return bytes((VERSION, secret_id)) + sid + generation.to_bytes(GENERATION_BYTES, "big")


def _tag(secret: bytes, sid: bytes, salt: bytes, head: bytes) -> bytes:
    family_key = hmac.digest(secret, b"rt-family-v1\x00" + sid + salt, "sha256")
    return hmac.digest(family_key, b"rt-token-v1\x00" + head, "sha256")[:TAG_BYTES]


def _encode(body: bytes) -> str:
    signed = PREFIX + _base62(int.from_bytes(body, "big"), BODY_DIGITS)
    return signed + _checksum(signed)


def _checksum(signed: str) -> str:
    return _base62(crc32(signed.encode()), CHECKSUM_DIGITS)


def _base62(number: int, width: int) -> str:
    """Big-endian, left-padded with the zero digit; `width` is even."""
    pairs = []
    for _ in range(width // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))


def _decode(digits: str) -> int | None:
    number = 0
    for character in digits:
        value = _DIGIT.get(character)
        if value is None:
            return None
        number = number * 62 + value
    return number
