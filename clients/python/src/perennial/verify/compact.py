"""A signed token in compact form (RFC 7515 §7.1): its header, and its claims once verified."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from perennial.verify import strict
from perennial.verify.errors import InvalidToken, Reason
from perennial.verify.keys import Key

LONGEST_KID = 256


@dataclass(frozen=True, slots=True, repr=False)
class Compact:
    """Well-formed and of the right type; nothing else is known about it."""

    text: str
    alg: str
    kid: str

    def claims(self, key: Key) -> dict[str, Any]:
        """What the key's owner signed."""
        if not key.fits(self.alg):
            raise InvalidToken(Reason.WRONG_ALGORITHM)
        try:
            signed = jws.deserialize_compact(self.text, key.public, algorithms=[self.alg])
        except (JoseError, ValueError, TypeError, KeyError):
            raise InvalidToken(Reason.BAD_SIGNATURE) from None
        try:
            return strict.json_object(signed.payload or b"")
        except ValueError:
            raise InvalidToken(Reason.MALFORMED) from None


def parse(text: object, *, typ: str, algorithms: Collection[str], longest: int) -> Compact:
    """Read the header of a token whose media type is `application/<typ>` (RFC 8725 §3.11)."""
    if not isinstance(text, str) or len(text) > longest or not text.isascii():
        raise InvalidToken(Reason.MALFORMED)
    try:
        head, body, signature = text.split(".")
        header = strict.json_object(strict.base64url(head))
        strict.base64url(body)
        strict.base64url(signature)
    except ValueError:
        raise InvalidToken(Reason.MALFORMED) from None
    if _media_type(header.get("typ")) != typ:
        raise InvalidToken(Reason.WRONG_TYPE)
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in algorithms:
        raise InvalidToken(Reason.WRONG_ALGORITHM)
    # `crit` names what a reader has to understand; nothing is understood here (RFC 7515 §4.1.11).
    if "crit" in header or not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID:
        raise InvalidToken(Reason.MALFORMED)
    return Compact(text, alg, kid)


def _media_type(typ: object) -> str | None:
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else None


def seconds(value: object) -> float | None:
    """A NumericDate (RFC 7519 §2); None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
