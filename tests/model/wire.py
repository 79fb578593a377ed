"""The wire format of refresh tokens, written a second time: to read what servers answer without
asking them, and to forge.
"""

from dataclasses import dataclass, replace
from zlib import crc32

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "prn_rt_"
BODY = 43  # version, secret id, sid (16), generation (5), tag (20)


@dataclass(frozen=True)
class Wire:
    version: int
    secret_id: int
    sid: bytes
    generation: int
    tag: bytes

    def __str__(self) -> str:
        head = bytes((self.version, self.secret_id)) + self.sid
        body = head + self.generation.to_bytes(5, "big") + self.tag
        return seal(int.from_bytes(body, "big"))


def read(text: str) -> Wire:
    number = 0
    for character in text[len(PREFIX) : -6]:
        number = number * 62 + DIGITS.index(character)
    body = number.to_bytes(BODY, "big")
    generation = int.from_bytes(body[18:23], "big")
    return Wire(body[0], body[1], body[2:18], generation, body[23:])


def seal(number: int) -> str:
    signed = PREFIX + _base62(number, 58)
    return signed + _base62(crc32(signed.encode()), 6)


def _base62(number: int, width: int) -> str:
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return text


def _flip(data: bytes, bit: int) -> bytes:
    number = int.from_bytes(data, "big") ^ (1 << bit % (8 * len(data)))
    return number.to_bytes(len(data), "big")


# Each takes a genuine token, the sid of another session, and a number for what may vary.
FORGERIES = {
    "another tag": lambda wire, _, n: replace(wire, tag=_flip(wire.tag, n)),
    "no tag": lambda wire, *_: replace(wire, tag=bytes(20)),
    "a later generation": lambda wire, _, n: replace(wire, generation=wire.generation + 1 + n % 3),
    "the last generation": lambda wire, *_: replace(wire, generation=2**40 - 1),
    "an earlier generation": lambda wire, *_: replace(wire, generation=wire.generation - 1),
    "another secret": lambda wire, _, n: replace(wire, secret_id=1 + (wire.secret_id + n % 2) % 3),
    "a secret not made yet": lambda wire, _, n: replace(wire, secret_id=200 + n % 50),
    "another session": lambda wire, other, _: replace(wire, sid=other),
    "an unknown session": lambda wire, _, n: replace(wire, sid=_flip(wire.sid, n)),
}
"""Well-formed texts that nobody was given."""

MISTAKES = {
    "another checksum": lambda text, _: text[:-1] + ("1" if text[-1] == "0" else "0"),
    "a digit changed": lambda text, n: _changed(text, len(PREFIX) + n % 64),
    "another version": lambda text, _: str(replace(read(text), version=2)),
    "too large a number": lambda text, n: seal((1 << 8 * BODY) + n),
    "too short": lambda text, n: text[: -1 - n % 70],
    "too long": lambda text, _: text + "0",
    "another prefix": lambda text, _: "prn_at_" + text[len(PREFIX) :],
    "no digit": lambda text, n: text[: 7 + n % 64] + "-" + text[8 + n % 64 :],
    "no ASCII": lambda text, _: text[:-1] + "\u0661",
}
"""Texts that are no token at all (rule R0)."""


def _changed(text: str, place: int) -> str:
    return text[:place] + ("1" if text[place] == "0" else "0") + text[place + 1 :]
