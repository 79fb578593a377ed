"""RS256 access tokens: made with a key parsed once, checked with joserfc.

Parsing a private key costs as much as 145 signatures, so a `Signer` holds it. Encoding a compact
JWS is three lines (RFC 7515 §7.1), written out here because every refresh pays for it; whatever
arrives from outside goes through joserfc.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
TOKEN_TYPE = "at+jwt"  # noqa: S105  # the media type of RFC 9068 §2.1
KEY_BITS = 2048
LONGEST_TOKEN = 16_384
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Signer:
    """Signs claims, as an RFC 9068 access token unless told otherwise. Safe to share between
    threads.
    """

    def __init__(self, kid: str, private_key: RSAPrivateKey) -> None:
        self.kid = kid
        self._key = private_key
        self._headers: dict[str, bytes] = {}
        self._padding = PKCS1v15()
        self._digest = SHA256()

    def sign(self, claims: Mapping[str, object], token_type: str = TOKEN_TYPE) -> str:
        """A JWT whose header `typ` is `token_type`."""
        message = self._header(token_type) + _encode(claims)
        signature = self._key.sign(message, self._padding, self._digest)
        return (message + b"." + _base64url(signature)).decode("ascii")

    def _header(self, token_type: str) -> bytes:
        header = self._headers.get(token_type)
        if header is None:
            fields = {"alg": ALGORITHM, "typ": token_type, "kid": self.kid}
            header = self._headers[token_type] = _encode(fields) + b"."
        return header


def _encode(part: Mapping[str, object]) -> bytes:
    return _base64url(_ENCODER.encode(part).encode())


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def new_private_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def public_jwk(private_key: RSAPrivateKey) -> dict[str, str]:
    """The public JWK, its `kid` the RFC 7638 thumbprint."""
    key = RSAKey.import_key(private_key)
    public = {name: str(value) for name, value in key.as_dict(private=False).items()}
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": key.thumbprint(),
        "n": public["n"],
        "e": public["e"],
    }


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
        key = RSAKey.import_key(dict(jwk))
        claims = json.loads(jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload)
    except (JoseError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
