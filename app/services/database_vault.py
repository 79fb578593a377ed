"""Private keys in the database, each sealed with AES-256-GCM under a key-encryption key that the
database never sees. A sealed key opens only under its own kid.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from app.core.keyring import Algorithm, Key
from app.services import algorithms
from app.services.algorithms import PrivateKey
from app.services.signer import Signer
from app.services.vault import Made, VaultError

_VERSION = b"\x01"
_NAME, _NONCE = 8, 12
_HEAD = len(_VERSION) + _NAME + _NONCE
_PURPOSE = b"perennial signing key v1\0"

KeyEncryptionKeys = Callable[[], Sequence[bytes]]


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseVault:
    """`keys` reads the key-encryption keys anew: the first seals, every one of them opens."""

    keys: KeyEncryptionKeys

    def make(self, alg: Algorithm) -> Made:
        private = algorithms.new_private_key(alg)
        jwk = algorithms.public_jwk(private, alg)
        return Made(jwk, self.seal(jwk["kid"], private))

    def holds(self, key: Key, sealed: bytes | None) -> bool:
        try:
            return sealed is not None and self._opened(key, sealed, trusted=True) is not None
        except VaultError:
            return False

    def signer(self, key: Key, sealed: bytes | None) -> Signer | None:
        if sealed is None:
            return None
        private = self.open(key, sealed)
        return Signer(key.kid, key.alg, algorithms.signing(key.alg, private))

    def destroy(self, kid: str) -> None:
        """Nothing is kept outside the row."""

    def seal(self, kid: str, private: PrivateKey) -> bytes:
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        key, nonce = self.keys()[0], secrets.token_bytes(_NONCE)
        return _VERSION + _name(key) + nonce + AESGCM(key).encrypt(nonce, der, _context(kid))

    def open(self, key: Key, sealed: bytes) -> PrivateKey:
        """Raises `VaultError`."""
        private = self._opened(key, sealed)
        if private is None:
            raise VaultError(
                f"signing key {key.kid} is sealed under a key that is not in PERENNIAL_KEK_FILE"
            )
        return private

    def _opened(self, key: Key, sealed: bytes, *, trusted: bool = False) -> PrivateKey | None:
        """None without the key that sealed it."""
        nonce, box = sealed[_HEAD - _NONCE : _HEAD], sealed[_HEAD:]
        for each in self.keys():
            if sealed[:1] == _VERSION and _name(each) == _named(sealed):
                try:
                    der = AESGCM(each).decrypt(nonce, box, _context(key.kid))
                except (InvalidTag, ValueError) as error:
                    raise VaultError(
                        f"signing key {key.kid} was changed in the database"
                    ) from error
                private = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=trusted)
                if algorithms.fits(private, key.alg):
                    return private
        return None

    def is_current(self, sealed: bytes) -> bool:
        """Whether it is sealed under the first key-encryption key."""
        return _named(sealed) == _name(self.keys()[0])


def _named(sealed: bytes) -> bytes:
    return sealed[len(_VERSION) : len(_VERSION) + _NAME]


def _name(key: bytes) -> bytes:
    """Tells one key-encryption key from another, and nothing else."""
    return sha256(b"perennial kek name\0" + key).digest()[:_NAME]


def _context(kid: str) -> bytes:
    return _PURPOSE + kid.encode()
