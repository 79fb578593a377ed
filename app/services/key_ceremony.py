"""Making, promoting and dropping keys. Each ceremony holds a lock, so of several that begin
together one acts and the others find its work done. Private keys are kept before rows are written:
whatever interrupts a ceremony leaves a keystore that starts and signs. Keys are generated before
the transaction that writes them down, because generating one takes longer than a refresh may wait.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.core import keyring
from app.core.events import (
    Event,
    KeyCompromised,
    KeyCreated,
    KeyDropped,
    KeyPromoted,
    KeyRetired,
)
from app.core.keyring import AlreadyScheduled, Key, KeyState, NobodyReady, Policy, Promotion
from app.core.outcomes import Rejected
from app.core.sessions import whole_seconds
from app.services.key_directory import KeyDirectory
from app.services.keystore import UnavailableError
from app.services.secret_ceremony import SecretCeremony
from app.services.vault import Vault
from app.store import audit, signing_keys
from app.store.base import advisory_lock
from app.store.signing_keys import StoredKey

KeyEvent = KeyCreated | KeyPromoted | KeyRetired | KeyDropped | KeyCompromised


@dataclass(frozen=True, slots=True)
class Rotation:
    """What `rotate` found or did. `planned` is None when somebody else had acted already."""

    planned: Promotion | AlreadyScheduled | None
    active: Key | None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Compromised:
    """`lost` are believed no longer. `signing` signs now."""

    lost: tuple[Key, ...]
    signing: Key | None
    events: tuple[Event, ...]

    @property
    def promised(self) -> int:
        """The longest that a verifier was told it may go on with the key set it has."""
        return max(key.announced_max_age for key in self.lost)

    @property
    def signed_since(self) -> int | None:
        """When the first of them began to sign; None when none ever did."""
        return min(
            (key.signs_from for key in self.lost if key.signs_from is not None), default=None
        )


@dataclass(frozen=True, slots=True)
class Ceremony:
    """Where keys are kept, and what is wanted of them."""

    directory: KeyDirectory
    vault: Vault
    transactions: Engine
    policy: Policy
    clock: Callable[[], int]

    def establish(self, now: int) -> tuple[Event, ...]:
        """Make what is missing for a first start, remember what is announced from now on, and do
        what has become due since the last start.

        Raises `UnavailableError` when keys exist but cannot be used here: new ones would hide that
        the others are lost.
        """
        with self.alone():
            events = SecretCeremony(self.directory, self.transactions).establish(now)
            stored = self._stored()
            now = self._now(_keys(stored), now)
            if keyring.active(_keys(stored), now) is None:
                events += self._write(now, [self._draft(_keys(stored), now, signs_from=now)])
            self._announce(now)
            for key in _keys(stored):
                if key.dropped_at is not None:
                    self.vault.destroy(key.kid)  # also what an interruption has left
            return (*events, *self._maintain(now))

    def maintain(self, now: int) -> tuple[Event, ...]:
        """Do what the life cycle asks for. Raises `UnavailableError` where the active key is not."""
        with self.alone():
            return self._maintain(self._now(_keys(self._stored()), now))

    def _maintain(self, now: int) -> tuple[Event, ...]:
        stored = self._stored()
        self._demand_active(stored, now)
        plan = keyring.plan(self._present(stored, now), now, self.policy)
        drafts = [self._draft(_keys(stored), now) for _ in range(plan.lacking)]
        told: list[KeyEvent] = [KeyDropped(key.kid) for key in plan.dropped]
        changed = plan.dropped
        if plan.promotion is not None:
            told.append(_promoted(plan.promotion.promoted))
            changed += plan.promotion.dates()
        return self._write(now, drafts, changed, told)

    def rotate(self, *, at_once: bool, called_at: int, now: int) -> Rotation:
        """Promote the next key: as soon as every verifier can know it, or at once.

        `called_at` is when the command began: of calls that overlap, only the first one acts.
        """
        with self.alone():
            stored = self._stored()
            keys = _keys(stored)
            now = self._now(keys, now)
            if keyring.acted_since(keys, called_at, now):
                return Rotation(None, keyring.active(keys, now))
            if not at_once:
                self._demand_active(stored, now)
            present = self._present(stored, now)
            drafts = []
            if not self._candidates(present, now):
                drafts.append(self._draft(keys, now))
                present.append(drafts[0].key)
            planned = keyring.promote(present, now, at_once=at_once, alg=self.policy.alg)
            if not isinstance(planned, Promotion):
                return Rotation(planned, keyring.active(keys, now))
            after = _after(present, planned.dates())
            lacking = keyring.plan(after, now, self.policy).lacking
            drafts += [self._draft(keys, now) for _ in range(lacking)]
            events = self._write(now, drafts, planned.dates(), [_promoted(planned.promoted)])
            return Rotation(planned, keyring.active(_keys(self._stored()), now), events)

    def preview(self, now: int, *, at_once: bool) -> Rotation:
        """What `rotate` would do with the keys there are, without doing it."""
        stored = self._stored()
        present = self._present(stored, now)
        planned = keyring.promote(present, now, at_once=at_once, alg=self.policy.alg)
        found = planned if self._candidates(present, now) else None
        return Rotation(found, keyring.active(_keys(stored), now))

    def retire(self, kid: str, now: int) -> tuple[Event, ...] | None:
        """Take a key that no longer signs out of the key set now; None when it signs or will."""
        with self.alone():
            keys = _keys(self._stored())
            now = self._now(keys, now)
            retiring = [
                replace(key, retires_at=now, dropped_at=now)
                for key in keys
                if key.kid == kid and keyring.state(key, keys, now) is KeyState.RETIRING
            ]
            if not retiring:
                return None
            return self._write(now, (), retiring, [KeyRetired(kid)])

    def compromise(
        self, kid: str, now: int, *, everything: bool
    ) -> Compromised | NobodyReady | Rejected:
        """Stop believing in a key. The next one signs in its place if every verifier can know it;
        `everything` gives all keys up and signs with one that nobody knows yet.
        """
        with self.alone():
            stored = self._stored()
            keys = _keys(stored)
            now = self._now(keys, now)
            key = next((key for key in keys if key.kid == kid), None)
            if key is None or key.compromised_at is not None:
                return Rejected(
                    f"there is no signing key {kid}"
                    if key is None
                    else f"signing key {kid} is compromised already"
                )
            if everything:
                return self._replace_all(keys, key, now)
            present = self._present(stored, now)
            verdict = keyring.compromise(present, key, now)
            if isinstance(verdict, NobodyReady):
                return verdict
            promoted = () if verdict.promoted is None else (verdict.promoted,)
            changed = (verdict.lost, *verdict.changed, *promoted)
            after = _after([each for each in present if each.kid != kid], changed)
            lacking = keyring.plan(after, now, self.policy).lacking
            drafts = [self._draft(keys, now) for _ in range(lacking)]
            told: list[KeyEvent] = [KeyCompromised(kid), *(_promoted(each) for each in promoted)]
            events = self._write(now, drafts, changed, told)
            return Compromised((verdict.lost,), keyring.active(after, now), events)

    def _replace_all(self, keys: Sequence[Key], key: Key, now: int) -> Compromised:
        given_up = [each for each in keys if each.dropped_at is None or each == key]
        lost = tuple(replace(each, compromised_at=now, dropped_at=now) for each in given_up)
        drafts = [self._draft(keys, now, signs_from=now), self._draft(keys, now)]
        told: list[KeyEvent] = [KeyCompromised(each.kid) for each in lost]
        events = self._write(now, drafts, lost, [*told, _promoted(drafts[0].key)])
        return Compromised(lost, drafts[0].key, events)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The directory's lock for this host, the database's for the others."""
        self.directory.prepare()
        with self.directory.lock(), advisory_lock(self.transactions):
            yield

    def _now(self, keys: Sequence[Key], called: int) -> int:
        """The time after the wait for the locks: a key that is dated before it may be promoted before
        it is known.
        """
        return keyring.caught_up(keys, max(called, self.clock()))

    def _announce(self, now: int) -> None:
        longest = self.policy.longest_token
        with self.transactions.begin() as connection:
            keys = _keys(signing_keys.everything(connection))
            signing_keys.announce(connection, self.policy.max_age, longest)
            signing_keys.write_dates(connection, keyring.prolonged(keys, now, longest))

    def _write(
        self,
        now: int,
        drafts: Sequence[StoredKey] = (),
        changed: Sequence[Key] = (),
        told: Sequence[KeyEvent] = (),
    ) -> tuple[Event, ...]:
        """One transaction with its audit; then the private halves of dropped keys go."""
        if not drafts and not changed:
            return ()
        events = (*(KeyCreated(draft.key.kid) for draft in drafts), *told)
        complete = False
        try:
            with self.transactions.begin() as connection:
                _record(connection, drafts, changed)
                for event in events:
                    audit.record(connection, now, event.name, {"detail": event.kid})
                complete = True
        except (SQLAlchemyError, UnavailableError):
            # A commit that failed may have been made all the same.
            for draft in drafts if not complete else ():
                self.vault.destroy(draft.key.kid)
            raise
        for key in changed:
            if key.dropped_at is not None:
                self.vault.destroy(key.kid)
        return events

    def _demand_active(self, stored: Sequence[StoredKey], now: int) -> None:
        active = keyring.active(_keys(stored), now)
        sealed = {entry.key.kid: entry.sealed for entry in stored}
        if active is not None and self.vault.signer(active, sealed[active.kid]) is None:
            raise UnavailableError(
                f"signing key {active.kid} is active but not in the keystore: restore it,"
                " or promote another with `perennial keys rotate --now`"
            )

    def _draft(self, keys: Sequence[Key], now: int, signs_from: int | None = None) -> StoredKey:
        """A new key, kept. It inherits the longest promises a key was published under."""
        made = self.vault.make(self.policy.alg)
        key = Key(
            kid=made.jwk["kid"],
            alg=self.policy.alg,
            created_at=now,
            announced_max_age=keyring.announced(keys, self.policy),
            longest_token=max([self.policy.longest_token, *(k.longest_token for k in keys)]),
            signs_from=signs_from,
        )
        return StoredKey(key, json.dumps(made.jwk, separators=(",", ":")), made.sealed)

    def _stored(self) -> list[StoredKey]:
        with self.transactions.connect() as connection:
            reading = connection.execution_options(isolation_level="AUTOCOMMIT")
            return signing_keys.everything(reading)

    def _present(self, stored: Sequence[StoredKey], now: int) -> list[Key]:
        """Leave out waiting keys whose private half is not here: they cannot sign here."""
        keys = _keys(stored)
        return [
            entry.key
            for entry in stored
            if keyring.state(entry.key, keys, now) is not KeyState.NEXT
            or self.vault.holds(entry.key, entry.sealed)
        ]

    def _candidates(self, keys: Sequence[Key], now: int) -> list[Key]:
        """The waiting keys that a rotation may choose from."""
        return [
            key
            for key in keyring.waiting(keys, now)
            if key.is_scheduled(now) or key.alg == self.policy.alg
        ]


def _record(connection: Connection, drafts: Iterable[StoredKey], changed: Iterable[Key]) -> None:
    for draft in drafts:
        signing_keys.add(connection, draft)
    if not signing_keys.write_dates(connection, changed):
        raise UnavailableError("the signing keys were changed meanwhile: nothing was done")


def _keys(stored: Iterable[StoredKey]) -> list[Key]:
    return [entry.key for entry in stored]


def _promoted(key: Key) -> KeyPromoted:
    assert key.signs_from is not None, "it was given one"
    return KeyPromoted(key.kid, whole_seconds(key.signs_from))


def _after(keys: Sequence[Key], changed: Iterable[Key]) -> list[Key]:
    """The keys as they will be."""
    new = {key.kid: key for key in changed}
    return [new.get(key.kid, key) for key in keys]
