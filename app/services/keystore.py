"""The keys this process works with: a snapshot of directory and database, renewed every two
seconds, so that every worker notices a rotation without a restart.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.core import keyring
from app.core.keyring import Key, KeyState
from app.core.refresh_token import Ring
from app.services.key_directory import KeyDirectory, KeyDirectoryError
from app.services.signer import Signer
from app.store import derivation_secrets, signing_keys
from app.store.derivation_secrets import SecretId, SecretState

FRESH = 2_000
_IN_USE = {SecretState.KNOWN, SecretState.ACTIVE}


class UnavailableError(Exception):
    """Nothing can be signed or derived right now. The text is for the operator."""


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    loaded_at: int
    keys: tuple[Key, ...]
    jwks: Mapping[str, Mapping[str, str]]
    signers: Mapping[str, Signer]
    ring: Ring | None

    def stale(self, now: int) -> bool:
        """Also after the clock was set back, or nothing would be noticed until it caught up."""
        return not 0 <= now - self.loaded_at < FRESH


class Keystore:
    def __init__(self, directory: KeyDirectory, rotations: Engine) -> None:
        self.directory = directory
        self._rotations = rotations
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()

    def signer(self, now: int) -> Signer:
        """The signer of the active key. Raises `UnavailableError`."""
        snapshot = self._current(now)
        key = keyring.active(snapshot.keys, now)
        if key is None:
            raise UnavailableError("no signing key is active")
        signer = snapshot.signers.get(key.kid)
        if signer is None:
            raise UnavailableError(f"the private key {key.kid} is missing from the key directory")
        return signer

    def ring(self, now: int) -> Ring:
        """The derivation secrets. Raises `UnavailableError` when none is held."""
        ring = self._current(now).ring
        if ring is None:
            raise UnavailableError("no active derivation secret is in the key directory")
        return ring

    def published(self, now: int) -> dict[str, Mapping[str, str]]:
        """Public JWKs by kid: the key set, in the order of creation."""
        snapshot = self._current(now)
        shown = keyring.published(snapshot.keys, now)
        return {key.kid: snapshot.jwks[key.kid] for key in shown}

    def forget(self) -> None:
        """Read everything again at the next use."""
        self._snapshot = None

    def _current(self, now: int) -> Snapshot:
        snapshot = self._snapshot
        if snapshot is not None and not snapshot.stale(now):
            return snapshot
        # One thread renews; the others go on with what they have, if they have anything.
        if not self._lock.acquire(blocking=snapshot is None):
            assert snapshot is not None
            return snapshot
        try:
            return self._renew(self._snapshot, now)
        finally:
            self._lock.release()

    def _renew(self, old: Snapshot | None, now: int) -> Snapshot:
        if old is not None and not old.stale(now):
            return old
        try:
            with self._rotations.connect() as connection:
                self._snapshot = self._load(connection, old, now)
        except SQLAlchemyError:
            if old is None:
                raise
            return old  # the request's own statements will say that the database is away
        return self._snapshot

    def _load(self, connection: Connection, old: Snapshot | None, now: int) -> Snapshot:
        stored = signing_keys.everything(connection)
        keys = tuple(entry.key for entry in stored)
        jwks = {entry.key.kid: MappingProxyType(json.loads(entry.public_jwk)) for entry in stored}
        known = derivation_secrets.everything(connection)
        try:
            signers = self._signers(keys, dict(old.signers) if old else {}, now)
            ring = _ring(self.directory.secrets(), known)
        except (KeyDirectoryError, OSError) as error:
            raise UnavailableError(str(error)) from error
        return Snapshot(now, keys, MappingProxyType(jwks), MappingProxyType(signers), ring)

    def _signers(
        self, keys: tuple[Key, ...], held: dict[str, Signer], now: int
    ) -> dict[str, Signer]:
        """Signers for the keys that sign or may soon; each private key is parsed once."""
        signers = {}
        for key in keys:
            if keyring.state(key, keys, now) not in {KeyState.ACTIVE, KeyState.NEXT}:
                continue
            signer = held.get(key.kid)
            if signer is None:
                private = self.directory.load_key(key.kid)
                signer = Signer(key.kid, private) if private is not None else None
            if signer is not None:
                signers[key.kid] = signer
        return signers


def _ring(held: dict[int, bytes], known: list[SecretId]) -> Ring | None:
    """New tokens are derived with the newest secret that is both active and here. A file that is
    not what the database gave the id to counts as not here: its tokens are asked to come again
    instead of being refused for good.
    """
    wrong = {entry.id for entry in known if entry.id in held and not entry.fits(held[entry.id])}
    held = {id_: secret for id_, secret in held.items() if id_ not in wrong}
    usable = [entry.id for entry in known if entry.state is SecretState.ACTIVE and entry.id in held]
    if not usable:
        return None
    retired = {entry.id for entry in known if entry.state is SecretState.RETIRED}
    return Ring(
        secrets=MappingProxyType({id_: key for id_, key in held.items() if id_ not in retired}),
        active=max(usable),
        awaited=frozenset(entry.id for entry in known if entry.state in _IN_USE),
        newest=max(entry.id for entry in known),
    )
