"""The issuer's published key set (RFC 7517), as far as it can verify signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from perennial.verify import strict

WEAKEST_RSA = 2048
MOST_KEYS = 100
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    public: RSAKey | ECKey
    alg: str | None

    def fits(self, alg: str) -> bool:
        """A key is used with the algorithm it was made for only (RFC 8725 §3.1)."""
        if self.alg not in {None, alg}:
            return False
        if isinstance(self.public, RSAKey):
            return alg in ASYMMETRIC and alg not in CURVES
        return CURVES.get(alg) == self.public.curve_name


Keys = Mapping[str, Key]


def parse(body: bytes) -> Keys:
    """Keys by `kid`; those for other purposes are passed over (§5), a broken set is an error."""
    listed = strict.json_object(body).get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError("not a key set")
    keys: dict[str, Key] = {}
    for jwk in listed:
        key = _key(jwk)
        if key is not None:
            keys.setdefault(jwk["kid"], key)
    return keys


def _key(jwk: dict[str, Any]) -> Key | None:
    try:
        if not isinstance(jwk["kid"], str) or not _for_signatures(jwk):
            return None
        match jwk["kty"]:
            case "RSA" if _strong(jwk["n"]):
                public = {name: jwk[name] for name in ("kty", "n", "e")}
                return Key(RSAKey.import_key(public), jwk.get("alg"))
            case "EC":
                public = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
                return Key(ECKey.import_key(public), jwk.get("alg"))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def _for_signatures(jwk: dict[str, Any]) -> bool:
    used = jwk.get("use", "sig") == "sig" and "verify" in jwk.get("key_ops", ["verify"])
    return used and jwk.get("alg", "RS256") in ASYMMETRIC


def _strong(modulus: str) -> bool:
    return int.from_bytes(strict.base64url(modulus), "big").bit_length() >= WEAKEST_RSA
