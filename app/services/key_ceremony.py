"""Making and promoting keys. Each ceremony holds the directory's lock, so of several that begin
together one acts and the others find its work done. Files are written before rows: whatever
interrupts a ceremony leaves a keystore that starts and signs. Keys are generated before the
transaction that writes them down, because generating one takes longer than a refresh may wait.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from app.core import keyring
from app.core.events import Event, KeyCreated, KeyPromoted, KeyRetired, KeyRotationDue
from app.core.keyring import AlreadyScheduled, Key, KeyState, Promotion
from app.core.sessions import whole_seconds
from app.services.key_directory import KeyDirectory
from app.services.keystore import UnavailableError
from app.services.secret_ceremony import SecretCeremony
from app.services.signer import ALGORITHM, new_private_key, public_jwk
from app.store import audit, signing_keys


@dataclass(frozen=True, slots=True)
class Promises:
    """What this host announces: the longest caching, the longest token life. Milliseconds."""

    max_age: int
    longest_token: int
    interval: int
    """How long a key should sign."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What `rotate` found or did. `planned` is None when somebody else had acted already."""

    planned: Promotion | AlreadyScheduled | None
    active: Key | None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Ceremony:
    """Where keys are kept, and what was promised about them."""

    directory: KeyDirectory
    transactions: Engine
    promises: Promises

    def establish(self, now: int) -> tuple[Event, ...]:
        """Make what is missing for a first start, and remember what is announced from now on.

        Raises `UnavailableError` when keys exist but not in this directory: new ones would hide
        that the others are lost.
        """
        self.directory.prepare()
        with self.directory.lock():
            derived = SecretCeremony(self.directory, self.transactions).establish(now)
            keys = self._keys()
            now = keyring.caught_up(keys, now)
            if keyring.active(keys, now) is None:
                drafts = [self._draft(keys, now, signs_from=now), self._draft(keys, now)]
            else:
                self._demand_active(keys, now)
                missing = keyring.needs_successor(keys, now)
                drafts = [self._draft(keys, now)] if missing else []
            with self.transactions.begin() as connection:
                for draft in drafts:
                    signing_keys.add(connection, draft.key, draft.public_jwk)
                    audit.record(connection, now, KeyCreated.name, {"detail": draft.key.kid})
                longest = self.promises.longest_token
                signing_keys.announce(connection, self.promises.max_age, longest)
                signing_keys.write_dates(connection, keyring.prolonged(keys, now, longest))
        created = (*derived, *(KeyCreated(draft.key.kid) for draft in drafts))
        current = keyring.active(keys, now)
        if current is not None and keyring.is_due(current, self.promises.interval, now):
            return (*created, KeyRotationDue(current.kid))
        return created

    def rotate(self, *, at_once: bool, called_at: int, now: int) -> Rotation:
        """Promote the next key: as soon as every verifier can know it, or at once.

        `called_at` is when the command began: of calls that overlap, only the first one acts.
        """
        self.directory.prepare()
        with self.directory.lock():
            keys = self._keys()
            now = keyring.caught_up(keys, now)
            if keyring.acted_since(keys, called_at, now):
                return Rotation(None, keyring.active(keys, now))
            if not at_once:
                self._demand_active(keys, now)
            present = self._present(keys, now)
            drafts = []
            if not _waiting(present, now):
                drafts.append(self._draft(keys, now))
                present.append(drafts[0].key)
            planned = keyring.promote(present, now, at_once=at_once)
            if not isinstance(planned, Promotion):
                return Rotation(planned, keyring.active(keys, now))
            if not [key for key in _waiting(present, now) if key.kid != planned.promoted.kid]:
                drafts.append(self._draft(keys, now))
            return self._carry_out(planned, drafts, now)

    def preview(self, now: int, *, at_once: bool) -> Rotation:
        """What `rotate` would do with the keys there are, without doing it."""
        keys = self._keys()
        planned = keyring.promote(self._present(keys, now), now, at_once=at_once)
        return Rotation(planned, keyring.active(keys, now))

    def retire(self, kid: str, now: int) -> tuple[Event, ...] | None:
        """Take a key that no longer signs out of the key set now; None when it signs or will."""
        with self.directory.lock():
            keys = self._keys()
            retiring = [
                key
                for key in keys
                if key.kid == kid and keyring.state(key, keys, now) is KeyState.RETIRING
            ]
            if not retiring:
                return None
            with self.transactions.begin() as connection:
                signing_keys.write_dates(connection, [replace(retiring[0], retires_at=now)])
                audit.record(connection, now, KeyRetired.name, {"detail": kid})
        return (KeyRetired(kid),)

    def _carry_out(
        self, promotion: Promotion, drafts: Sequence[signing_keys.PublishedKey], now: int
    ) -> Rotation:
        promoted = promotion.promoted
        assert promoted.signs_from is not None
        with self.transactions.begin() as connection:
            for draft in drafts:
                signing_keys.add(connection, draft.key, draft.public_jwk)
                audit.record(connection, now, KeyCreated.name, {"detail": draft.key.kid})
            signing_keys.write_dates(connection, [promoted, *promotion.superseded])
            audit.record(connection, now, KeyPromoted.name, {"detail": promoted.kid})
        created = tuple(KeyCreated(draft.key.kid) for draft in drafts)
        event = KeyPromoted(promoted.kid, whole_seconds(promoted.signs_from))
        return Rotation(promotion, keyring.active(self._keys(), now), (*created, event))

    def _demand_active(self, keys: Sequence[Key], now: int) -> None:
        active = keyring.active(keys, now)
        if active is not None and self.directory.load_key(active.kid) is None:
            raise UnavailableError(
                f"signing key {active.kid} is active but not in the key directory: restore it,"
                " or promote another with `perennial keys rotate --now`"
            )

    def _draft(
        self, keys: Sequence[Key], now: int, signs_from: int | None = None
    ) -> signing_keys.PublishedKey:
        """A new key, its file written. It inherits the longest promises a key was published under."""
        private = new_private_key()
        jwk = public_jwk(private)
        self.directory.save_key(jwk["kid"], private)
        key = Key(
            kid=jwk["kid"],
            alg=ALGORITHM,
            created_at=now,
            announced_max_age=max([self.promises.max_age, *(k.announced_max_age for k in keys)]),
            longest_token=max([self.promises.longest_token, *(k.longest_token for k in keys)]),
            signs_from=signs_from,
        )
        return signing_keys.PublishedKey(key, json.dumps(jwk, separators=(",", ":")))

    def _keys(self) -> list[Key]:
        with self.transactions.connect() as connection:
            reading = connection.execution_options(isolation_level="AUTOCOMMIT")
            return [entry.key for entry in signing_keys.everything(reading)]

    def _present(self, keys: Sequence[Key], now: int) -> list[Key]:
        """Leave out waiting keys whose private half is not here: they cannot sign here."""
        return [
            key
            for key in keys
            if keyring.state(key, keys, now) is not KeyState.NEXT
            or self.directory.load_key(key.kid) is not None
        ]


def _waiting(keys: Sequence[Key], now: int) -> list[Key]:
    return [key for key in keys if keyring.state(key, keys, now) is KeyState.NEXT]
