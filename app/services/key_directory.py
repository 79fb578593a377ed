"""Private keys and derivation secrets as files: 0600 in a directory of 0700.

A directory or file that others may read is refused: somebody may have read it already.
"""

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.core.refresh_token import SECRET_BYTES
from app.services.algorithms import PrivateKey
from app.services.vault import VaultError

_SECRET_NAME = re.compile(r"refresh-([1-9][0-9]{0,2})\.secret")
_CHECKED_OUT = {".gitignore", "README.md", ".lock"}
_OTHERS = 0o077
PATIENCE = 60.0
PAUSE = 0.02
"""Seconds to wait for whoever is at work in the directory, and between two looks."""


class KeyDirectoryError(VaultError):
    """One line for the operator; never contains key material."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Derivation secrets by id, and what is wrong with the files that are not as they should be."""

    held: dict[int, bytes] = field(default_factory=dict, repr=False)
    faults: dict[int, str] = field(default_factory=dict)


class KeyDirectory:
    """`passphrase` encrypts private keys (PKCS#8, PBES2); derivation secrets are raw bytes."""

    def __init__(self, path: Path, passphrase: bytes | None = None) -> None:
        self.path = path
        self._passphrase = passphrase

    def prepare(self) -> None:
        """Make the directory, or tighten the empty one of a fresh checkout; no other is touched."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if {entry.name for entry in self.path.iterdir()} <= _CHECKED_OUT:
            self.path.chmod(0o700)
        self.check()

    def check(self) -> None:
        _refuse_wider(self.path)
        for file in sorted(self.path.glob("*.pem")) + sorted(self.path.glob("*.secret")):
            _refuse_wider(file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time may add keys; the lock dies with its holder. Raises
        `KeyDirectoryError` when others hold it for longer than `PATIENCE`.
        """
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _await_lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def save_key(self, kid: str, key: PrivateKey) -> None:
        encryption = (
            BestAvailableEncryption(self._passphrase) if self._passphrase else NoEncryption()
        )
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        self._write(f"{kid}.pem", pem)

    def discard_key(self, kid: str) -> None:
        """Only for one that never signs again."""
        (self.path / f"{kid}.pem").unlink(missing_ok=True)

    def load_key(self, kid: str, *, trusted: bool = False) -> object | None:
        """The private key of whatever kind, or None when this directory has no such file. Reading it
        is a hundred times quicker when its numbers are `trusted`.
        """
        path = self.path / f"{kid}.pem"
        try:
            _refuse_wider(path)
            pem = path.read_bytes()
            return load_pem_private_key(
                pem, self._passphrase, unsafe_skip_rsa_key_validation=trusted
            )
        except FileNotFoundError:
            return None
        except TypeError as error:
            raise KeyDirectoryError(f"{path.name}: {_passphrase_hint(self._passphrase)}") from error
        except (ValueError, OSError) as error:
            raise KeyDirectoryError(f"{path.name}: not a readable private key") from error

    def new_secret(self, secret_id: int) -> None:
        self._write(secret_name(secret_id), secrets.token_bytes(SECRET_BYTES))

    def discard_secret(self, secret_id: int) -> None:
        """Only for one that no token was ever derived from."""
        (self.path / secret_name(secret_id)).unlink()

    def secrets(self) -> dict[int, bytes]:
        """Every derivation secret of this host by id. Raises for a file that is not as it should be."""
        return {secret_id: _secret(path) for secret_id, path in self._secret_files()}

    def survey(self) -> Secrets:
        """The same for a host that has work to do: one bad file, perhaps still being copied, does
        not take the others away from it.
        """
        found = Secrets()
        for secret_id, path in self._secret_files():
            try:
                found.held[secret_id] = _secret(path)
            except (KeyDirectoryError, OSError) as error:
                found.faults[secret_id] = str(error)
        return found

    def _secret_files(self) -> Iterator[tuple[int, Path]]:
        for path in self.path.glob("refresh-*.secret"):
            name = _SECRET_NAME.fullmatch(path.name)
            if name is not None:
                yield int(name[1]), path

    def _write(self, name: str, data: bytes) -> None:
        """All or nothing, on disk when it returns; an existing file is never replaced."""
        draft = self.path / f".{name}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, self.path / name)
        finally:
            draft.unlink(missing_ok=True)
        directory = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _await_lock(descriptor: int) -> None:
    """A holder that was stopped and never goes on must not stop everybody else for good."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise KeyDirectoryError(
                    f"another process has held the key directory's lock for {PATIENCE:g} seconds"
                ) from None
            time.sleep(PAUSE)
        else:
            return


def secret_name(secret_id: int) -> str:
    return f"refresh-{secret_id}.secret"


def _secret(path: Path) -> bytes:
    _refuse_wider(path)
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise KeyDirectoryError(f"{path.name}: a secret has {SECRET_BYTES} bytes")
    return secret


def _passphrase_hint(passphrase: bytes | None) -> str:
    if passphrase is None:
        return "encrypted; set PERENNIAL_KEYS_PASSPHRASE_FILE"
    return "not encrypted, though PERENNIAL_KEYS_PASSPHRASE_FILE is set"


def _refuse_wider(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        wanted = "0700" if path.is_dir() else "0600"
        raise KeyDirectoryError(f"{path.name}: mode {mode:04o} lets others in, expected {wanted}")
