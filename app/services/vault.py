"""Where private keys live, and who signs with them.

Two vaults ship: files in the key directory, and the database, where each key is sealed. A third
one, such as a key-management service, needs these four methods (docs/keys.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from app.core.keyring import Algorithm, Key
from app.services.signer import Signer


class VaultError(Exception):
    """A private key cannot be used. One line for the operator; never contains key material."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new key: its public JWK, and what its row has to keep, if anything."""

    jwk: Mapping[str, str]
    sealed: bytes | None = field(default=None, repr=False)


class Vault(Protocol):
    """All raise `VaultError`, and `OSError` when files or a service cannot be reached."""

    def make(self, alg: Algorithm) -> Made:
        """A key that survives this process. It is never used unless its row is written too."""

    def holds(self, key: Key, sealed: bytes | None) -> bool:
        """Whether this host can sign with the key; `sealed` is what its row kept. A key that is here
        and cannot be used, a file half written for one, is not held.
        """

    def signer(self, key: Key, sealed: bytes | None) -> Signer | None:
        """None when the private half is not here."""

    def destroy(self, kid: str) -> None:
        """The key never signs again; what its row kept goes with the row's own change."""
