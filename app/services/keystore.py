"""The keys this process works with: a snapshot of directory and database, renewed every two
seconds, so that every worker notices a rotation without a restart.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.core import derivation, keyring
from app.core.derivation import SecretId
from app.core.events import DerivationSecretMissing, Event
from app.core.keyring import Key, KeyState
from app.core.refresh_token import Ring
from app.services.key_directory import KeyDirectory, Secrets, secret_name
from app.services.signer import Signer
from app.services.vault import Vault, VaultError
from app.settings import SettingsError
from app.store import derivation_secrets, signing_keys
from app.store.signing_keys import StoredKey

FRESH = 2_000
OUTDATED = 4_000
"""Work with anything older could undo what a rotation or a retirement has done since."""


class UnavailableError(Exception):
    """Nothing can be signed or derived right now. The text is for the operator."""


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    loaded_at: int
    keys: tuple[Key, ...]
    jwks: Mapping[str, Mapping[str, str]]
    signers: Mapping[str, Signer]
    faults: Mapping[str, str]
    """Why the private half of a key that signs or may soon cannot be used."""
    ring: Ring | None
    missing: tuple[DerivationSecretMissing, ...] = ()

    def stale(self, now: int, age: int = FRESH) -> bool:
        """Also after the clock was set back, or nothing would be noticed until it caught up."""
        return not 0 <= now - self.loaded_at < age


def _tell_nobody(_: Sequence[Event]) -> None:
    pass


class Keystore:
    """`publish` hears of derivation secrets that this host should hold and does not."""

    def __init__(
        self,
        directory: KeyDirectory,
        vault: Vault,
        rotations: Engine,
        publish: Callable[[Sequence[Event]], None] = _tell_nobody,
    ) -> None:
        self.directory = directory
        self.vault = vault
        self._rotations = rotations
        self._publish = publish
        self._snapshot: Snapshot | None = None
        self._outages = 0
        self._lock = threading.Lock()

    def signer(self, now: int) -> Signer:
        """The signer of the active key. Raises `UnavailableError`."""
        snapshot = self._current(now)
        key = keyring.active(snapshot.keys, now)
        if key is None:
            raise UnavailableError("no signing key is active")
        signer = snapshot.signers.get(key.kid)
        if signer is None:
            why = snapshot.faults.get(key.kid)
            raise UnavailableError(why or f"the private key {key.kid} is missing from the keystore")
        return signer

    def ring(self, now: int) -> Ring:
        """The derivation secrets. Raises `UnavailableError` when none is held."""
        ring = self._current(now).ring
        if ring is None:
            raise UnavailableError("no active derivation secret is in the key directory")
        return ring

    def keys(self, now: int) -> tuple[Key, ...]:
        """Every key that has not been dropped."""
        return self._current(now).keys

    def published(self, now: int) -> dict[str, Mapping[str, str]]:
        """Public JWKs by kid: the key set, in the order of creation."""
        snapshot = self._current(now)
        shown = keyring.published(snapshot.keys, now)
        return {key.kid: snapshot.jwks[key.kid] for key in shown}

    def overdue(self, now: int) -> int:
        """How old what `published` shows is, when it should have been read again; otherwise 0."""
        age = now - self._current(now).loaded_at
        return age if age > OUTDATED else 0

    def forget(self) -> None:
        """Read everything again at the next use."""
        self._snapshot = None

    def _current(self, now: int) -> Snapshot:
        snapshot = self._snapshot
        if snapshot is not None and not snapshot.stale(now):
            return snapshot
        # One thread renews; the others go on with what they have, if it is not too old.
        outages = self._outages
        must_wait = snapshot is None or snapshot.stale(now, OUTDATED)
        if not self._lock.acquire(blocking=must_wait):
            assert snapshot is not None
            return snapshot
        try:
            current = self._snapshot
            waited = current is not snapshot or self._outages != outages
            if current is not None and waited:
                return current
            return self._renew(current, now)
        finally:
            self._lock.release()

    def _renew(self, old: Snapshot | None, now: int) -> Snapshot:
        try:
            with self._rotations.connect() as connection:
                renewed = self._load(connection, old, now)
        except SQLAlchemyError:
            if old is None:
                raise
            self._outages += 1  # who waited meanwhile need not find that out again, one by one
            return old  # the request's own statements will say that the database is away
        self._publish(
            [event for event in renewed.missing if old is None or event not in old.missing]
        )
        self._snapshot = renewed
        return renewed

    def _load(self, connection: Connection, old: Snapshot | None, now: int) -> Snapshot:
        stored = signing_keys.kept(connection)
        keys = tuple(entry.key for entry in stored)
        jwks = {entry.key.kid: MappingProxyType(json.loads(entry.public_jwk)) for entry in stored}
        known = derivation_secrets.everything(connection)
        signers, faults = self._signers(stored, dict(old.signers) if old else {}, now)
        try:
            found = self.directory.survey()
        except (VaultError, OSError) as error:
            raise UnavailableError(str(error)) from error
        return Snapshot(
            loaded_at=now,
            keys=keys,
            jwks=MappingProxyType(jwks),
            signers=MappingProxyType(signers),
            faults=MappingProxyType(faults),
            ring=derivation.ring(known, found.held),
            missing=_missing(known, found),
        )

    def _signers(
        self, stored: Sequence[StoredKey], held: dict[str, Signer], now: int
    ) -> tuple[dict[str, Signer], dict[str, str]]:
        """Signers for the keys that sign or may soon, each private key parsed once, and what is wrong
        with the others: a bad one does not take the good ones away, nor the key set.
        """
        keys = [entry.key for entry in stored]
        signers: dict[str, Signer] = {}
        faults: dict[str, str] = {}
        for entry in stored:
            key = entry.key
            if keyring.state(key, keys, now) not in {KeyState.ACTIVE, KeyState.NEXT}:
                continue
            try:
                signer = held.get(key.kid) or self.vault.signer(key, entry.sealed)
            except (VaultError, OSError, SettingsError) as error:
                faults[key.kid] = str(error)
                continue
            if signer is not None:
                signers[key.kid] = signer
        return signers, faults


def _missing(known: Sequence[SecretId], found: Secrets) -> tuple[DerivationSecretMissing, ...]:
    usable = derivation.usable(known, found.held)
    return tuple(
        DerivationSecretMissing(entry.id, _why(entry.id, found))
        for entry in derivation.in_use(known)
        if entry.id not in usable
    )


def _why(secret_id: int, found: Secrets) -> str:
    if secret_id in found.held:
        return f"{secret_name(secret_id)}: not the secret that the database gave this id to"
    return found.faults.get(secret_id, f"{secret_name(secret_id)}: not in the key directory")
