"""Tokens signed by this server: made with a key parsed once, checked with joserfc.

Parsing a private key costs as much as 145 signatures, so a `Signer` holds it. Encoding a compact
JWS is three lines (RFC 7515 §7.1), written out here because every refresh pays for it; whatever
arrives from outside goes through joserfc.
"""

import json
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import import_key

from app.core.keyring import Algorithm
from app.services.algorithms import Sign

TOKEN_TYPE = "at+jwt"  # noqa: S105  # the media type of RFC 9068 §2.1
LONGEST_TOKEN = 16_384
_ENCODER = json.JSONEncoder(separators=(",", ":"))
# RFC 9864 renames it to Ed25519, which few verifiers know so far.
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)


class Signer:
    """Signs claims with one key. Safe to share between threads if `sign` is."""

    def __init__(self, kid: str, alg: Algorithm, sign: Sign) -> None:
        self.kid = kid
        self.alg = alg
        self._sign = sign
        self._headers: dict[str, bytes] = {}

    def sign(self, claims: Mapping[str, object], token_type: str = TOKEN_TYPE) -> str:
        """A compact JWS whose `typ` is `token_type`: an access token unless said otherwise."""
        header = self._headers.get(token_type)
        if header is None:
            header = _encode({"alg": self.alg.value, "typ": token_type, "kid": self.kid}) + b"."
            self._headers[token_type] = header
        message = header + _encode(claims)
        return (message + b"." + _base64url(self._sign(message))).decode("ascii")


def _encode(part: Mapping[str, object]) -> bytes:
    return _base64url(_ENCODER.encode(part).encode())


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def verify(token: str, public_jwks: Mapping[str, Mapping[str, str]]) -> dict[str, Any] | None:
    """The claims of an access token that one of these keys signed, or None.

    Checks form, type, algorithm, key and signature (RFC 9068 §4); dates and meaning are the
    caller's business.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:  # noqa: PLR2004
        return None
    try:
        header = jws.extract_compact(token.encode()).headers()
        jwk = public_jwks.get(str(header.get("kid")))
        if jwk is None or str(header.get("typ")).lower() not in {TOKEN_TYPE, "application/at+jwt"}:
            return None
        key = import_key(dict(jwk))
        claims = json.loads(jws.deserialize_compact(token, key, algorithms=[jwk["alg"]]).payload)
    except (JoseError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
