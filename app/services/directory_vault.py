"""Private keys as files, for one host or a volume that all hosts share."""

from dataclasses import dataclass

from app.core.keyring import Algorithm, Key
from app.services import algorithms
from app.services.key_directory import KeyDirectory, KeyDirectoryError
from app.services.signer import Signer
from app.services.vault import Made


@dataclass(frozen=True, slots=True)
class DirectoryVault:
    directory: KeyDirectory

    def make(self, alg: Algorithm) -> Made:
        private = algorithms.new_private_key(alg)
        jwk = algorithms.public_jwk(private, alg)
        self.directory.save_key(jwk["kid"], private)
        return Made(jwk)

    def holds(self, key: Key, _sealed: bytes | None) -> bool:
        try:
            private = self.directory.load_key(key.kid, trusted=True)
        except KeyDirectoryError:
            return False
        return algorithms.fits(private, key.alg)

    def signer(self, key: Key, _sealed: bytes | None) -> Signer | None:
        private = self.directory.load_key(key.kid)
        if private is None:
            return None
        if not algorithms.fits(private, key.alg):
            raise KeyDirectoryError(f"{key.kid}.pem: not a private key for {key.alg}")
        return Signer(key.kid, key.alg, algorithms.signing(key.alg, private))

    def destroy(self, kid: str) -> None:
        self.directory.discard_key(kid)
