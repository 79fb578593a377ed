"""What an access token may be signed with (RFC 7518 §3, RFC 8037 §3.1): how such a key is made, how
it signs, what its public half looks like.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.core.keyring import Algorithm

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
RSA_BITS = 2048
_COORDINATE = 32
"""Bytes of each half of an ES256 signature (RFC 7518 §3.4)."""

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Family:
    make: Callable[[], PrivateKey]
    of_type: type
    jwk: Callable[[Any], RSAKey | ECKey | OKPKey]
    signing: Callable[[Any], Sign]


def _new_rsa() -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def _pkcs1(key: RSAPrivateKey) -> Sign:
    scheme, digest = padding.PKCS1v15(), SHA256()
    return lambda message: key.sign(message, scheme, digest)


def _pss(key: RSAPrivateKey) -> Sign:
    digest = SHA256()
    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size)
    return lambda message: key.sign(message, scheme, digest)


def _ecdsa(key: EllipticCurvePrivateKey) -> Sign:
    scheme = ec.ECDSA(SHA256())

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, scheme))
        return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")

    return sign


def _eddsa(key: Ed25519PrivateKey) -> Sign:
    return key.sign


_FAMILIES: Mapping[Algorithm, _Family] = {
    Algorithm.RS256: _Family(_new_rsa, RSAPrivateKey, RSAKey.import_key, _pkcs1),
    Algorithm.PS256: _Family(_new_rsa, RSAPrivateKey, RSAKey.import_key, _pss),
    Algorithm.ES256: _Family(
        lambda: ec.generate_private_key(ec.SECP256R1()),
        EllipticCurvePrivateKey,
        ECKey.import_key,
        _ecdsa,
    ),
    Algorithm.EDDSA: _Family(
        Ed25519PrivateKey.generate, Ed25519PrivateKey, OKPKey.import_key, _eddsa
    ),
}


def new_private_key(alg: Algorithm = Algorithm.RS256) -> PrivateKey:
    return _FAMILIES[alg].make()


def fits(key: object, alg: Algorithm) -> TypeGuard[PrivateKey]:
    """Whether this is a private key for that algorithm."""
    if isinstance(key, EllipticCurvePrivateKey) and not isinstance(key.curve, ec.SECP256R1):
        return False
    return isinstance(key, _FAMILIES[alg].of_type)


def signing(alg: Algorithm, key: PrivateKey) -> Sign:
    """A function from a message to its JWS signature. Safe to share between threads."""
    return _FAMILIES[alg].signing(key)


def public_jwk(key: PrivateKey, alg: Algorithm = Algorithm.RS256) -> dict[str, str]:
    """The public JWK, its `kid` the RFC 7638 thumbprint."""
    found = _FAMILIES[alg].jwk(key)
    public = {name: str(value) for name, value in found.as_dict(private=False).items()}
    kind = public.pop("kty")
    return {"kty": kind, "use": "sig", "alg": alg.value, "kid": found.thumbprint(), **public}
