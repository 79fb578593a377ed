"""Making, activating and retiring derivation secrets. A ceremony holds the directory's lock. Files
are written before rows, so that whatever interrupts it leaves a keystore that starts and refreshes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from app.core import derivation
from app.core.derivation import LAST_ID, SETTLED, SecretId, SecretState
from app.core.events import (
    DerivationSecretActivated,
    DerivationSecretCreated,
    DerivationSecretRetired,
    Event,
)
from app.core.outcomes import Rejected
from app.core.refresh_token import check_value
from app.services.key_directory import KeyDirectory, secret_name
from app.services.keystore import UnavailableError
from app.store import audit, derivation_secrets

CHANGED = "somebody else has changed the derivation secrets meanwhile; look at `secrets list`"


@dataclass(frozen=True, slots=True)
class Turn:
    """What `rotate` did to which secret; without events somebody else had acted already."""

    secret_id: int
    state: SecretState
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a ceremony tells the time, and how it lets some pass. `pause` takes seconds."""

    now: Callable[[], int]
    pause: Callable[[float], None]

    def until_settled(self, moment: int) -> int:
        """Until every running server knows what was done at that moment; what time it is then."""
        left = moment + SETTLED - self.now()
        if left > 0:
            self.pause(min(left, SETTLED) / 1000)
        return self.now()


@dataclass(frozen=True, slots=True)
class SecretCeremony:
    """The caller of `establish` and `retire` holds the directory's lock."""

    directory: KeyDirectory
    transactions: Engine

    def known(self) -> list[SecretId]:
        with self.transactions.connect() as connection:
            reading = connection.execution_options(isolation_level="AUTOCOMMIT")
            return derivation_secrets.everything(reading)

    def establish(self, now: int) -> tuple[Event, ...]:
        """The first secret, if there is none, and the row of a file that has none.

        Raises `UnavailableError` when there are secrets but none that this host can derive with: a
        new one would hide that the others are lost.
        """
        held, known = self.directory.secrets(), self.known()
        current = derivation.active(known)
        if current is None:
            return self._first(known, held, now)
        if derivation.deriving(known, derivation.usable(known, held)) is None:
            raise UnavailableError(_lost(current.id))
        try:
            return self._adopt(derivation.unlisted(known, held), held, now)
        except IntegrityError:
            return ()  # another host was quicker; its secret has the id, and our file does not fit

    def rotate(self, called_at: int, waiting: Waiting) -> Turn | Rejected:
        """Make a secret and let it be known, or activate the one that is known.

        `called_at` is when the command began: of calls that overlap, only the first one acts.
        """
        self.directory.prepare()
        with self.directory.lock():
            known, held = self.known(), self.directory.secrets()
            current = derivation.active(known)
            if current is None:
                return Rejected("there is no derivation secret yet; `perennial serve` makes one")
            if derivation.acted_since(known, called_at, waiting.now()):
                last = max(derivation.in_use(known), key=lambda entry: entry.id)
                return Turn(last.id, last.state)
            candidates = derivation.waiting(known)
            if not candidates:
                return self._make(known, held, waiting.now())
            fitting = [entry for entry in candidates if entry.id in derivation.usable(known, held)]
            if not fitting:
                return Rejected(_absent(candidates[-1].id))
            now = waiting.until_settled(fitting[-1].created_at)
            return self._activate(fitting[-1].id, now)

    def retire(self, entry: SecretId, sessions: int, now: int) -> tuple[Event, ...] | Rejected:
        """`sessions` is how many were ended for it."""
        event = DerivationSecretRetired(entry.id, sessions)
        with self.transactions.begin() as connection:
            if not derivation_secrets.retire(connection, entry):
                return Rejected(CHANGED)
            detail = f"{entry.id}, sessions ended: {sessions}"
            audit.record(connection, now, event.name, {"detail": detail})
        return (event,)

    def _first(
        self, known: Sequence[SecretId], held: Mapping[int, bytes], now: int
    ) -> tuple[Event, ...]:
        """The newest file without a row becomes active, the others known; without any, one is made."""
        listed = {entry.id for entry in known}
        fresh = {id_: held[id_] for id_ in held if id_ not in listed and id_ <= LAST_ID}
        made = () if fresh else (self._new_file(derivation.newest(known) + 1),)
        files = fresh or {id_: self.directory.secrets()[id_] for id_ in made}
        chosen = max(files)
        try:
            with self.transactions.begin() as connection:
                events = [_list(connection, id_, files[id_], now) for id_ in sorted(files)]
                derivation_secrets.activate(connection, chosen, now)
                events.append(_recorded(connection, DerivationSecretActivated(chosen), now))
        except IntegrityError as error:
            # A host with a directory of its own was quicker: what we made is worth nothing.
            self._discard(made)
            raise UnavailableError(_lost(chosen)) from error
        return tuple(events)

    def _make(
        self, known: Sequence[SecretId], held: Mapping[int, bytes], now: int
    ) -> Turn | Rejected:
        """A file that an interrupted call has left is as good as a new one."""
        left = derivation.unlisted(known, held)
        made = () if left else (self._new_file(derivation.newest(known) + 1),)
        ids = left or list(made)
        try:
            events = self._adopt(ids, self.directory.secrets(), now)
        except IntegrityError:
            self._discard(made)
            return Rejected(CHANGED)
        return Turn(max(ids), SecretState.KNOWN, events)

    def _activate(self, secret_id: int, now: int) -> Turn | Rejected:
        with self.transactions.begin() as connection:
            if not derivation_secrets.activate(connection, secret_id, now):
                return Rejected(CHANGED)
            event = _recorded(connection, DerivationSecretActivated(secret_id), now)
        return Turn(secret_id, SecretState.ACTIVE, (event,))

    def _adopt(self, ids: Iterable[int], held: Mapping[int, bytes], now: int) -> tuple[Event, ...]:
        with self.transactions.begin() as connection:
            return tuple(_list(connection, id_, held[id_], now) for id_ in ids)

    def _new_file(self, secret_id: int) -> int:
        if secret_id > LAST_ID:
            raise UnavailableError("every derivation secret id has been used")
        self.directory.new_secret(secret_id)
        return secret_id

    def _discard(self, ids: Iterable[int]) -> None:
        for secret_id in ids:
            self.directory.discard_secret(secret_id)


def _list(connection: Connection, secret_id: int, secret: bytes, now: int) -> Event:
    check = check_value(secret)
    derivation_secrets.add(connection, secret_id, SecretState.KNOWN, now, check)
    return _recorded(connection, DerivationSecretCreated(secret_id), now)


def _recorded(
    connection: Connection, event: DerivationSecretCreated | DerivationSecretActivated, now: int
) -> Event:
    audit.record(connection, now, event.name, {"detail": str(event.secret_id)})
    return event


def _lost(secret_id: int) -> str:
    return (
        f"derivation secret {secret_id} is in use but not in the key directory, or the file is"
        " another one: restore it"
    )


def _absent(secret_id: int) -> str:
    return (
        f"derivation secret {secret_id} is known but {secret_name(secret_id)} is not in this key"
        " directory, or is another one: bring it here, or give it up with"
        f" `perennial secrets retire {secret_id}`"
    )
