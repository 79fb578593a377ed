"""Several people, clients and servers on one machine: a session each, in a file of its own."""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from perennial.errors import StorageError
from perennial.session import Session
from perennial.store import Store

NAME = ".account"


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """`subject` is what the application calls the person: a name, an address, a `sub`."""

    issuer: str
    client_id: str
    subject: str


class Accounts:
    """Sessions that know nothing of each other, kept in `folder`. `store` makes a store for a path,
    a `FileStore` unless told otherwise; `options` are those of every `Session`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        store: Callable[[str], Store] | None = None,
        **options: Any,  # noqa: ANN401  # those of Session
    ) -> None:
        self._folder = Path(folder).expanduser()
        self._store, self._options = store or _file_store, options
        self._mutex = threading.Lock()
        self._sessions: dict[Account, Session] = {}

    def get(self, account: Account) -> Session:
        """The same one each time, so that all who ask here share its refreshes. Somebody may have to
        sign in first; then it is listed.
        """
        with self._mutex:
            found = self._sessions.get(account)
        if found is not None:
            return found
        # Outside the mutex, for `store` is the application's. Of two that are made, one is dropped.
        made = Session(
            issuer=account.issuer,
            client_id=account.client_id,
            store=self._store(str(self.path(account))),
            **self._options,
        )
        made.on("signed_in", lambda _: self.keep(account))
        with self._mutex:
            return self._sessions.setdefault(account, made)

    def list(self) -> tuple[Account, ...]:
        """Those where somebody signed in and that were not removed. `StorageError`."""
        try:
            files = sorted(self._folder.glob(f"*{NAME}"))
            texts = [file.read_bytes() for file in files]
        except OSError as error:
            raise StorageError(f"{self._folder}: {error.strerror}") from None
        found = (_read(text) for text in texts)
        return tuple(sorted(account for account in found if account is not None))

    def remove(self, account: Account) -> bool:
        """Sign out, and list it no more; whether the server knows too. `StorageError`.

        What the store holds stays: without tokens, but with the number of the sign-out, by which
        another process that still has the session in memory learns that it is over.
        """
        told = self.get(account).logout()
        with suppress(FileNotFoundError):
            self.path(account).with_suffix(NAME).unlink()
        return told

    def path(self, account: Account) -> Path:
        """Where its session is kept."""
        key = json.dumps([account.issuer, account.client_id, account.subject]).encode()
        return self._folder / f"{sha256(key).hexdigest()[:32]}.json"

    def keep(self, account: Account) -> None:
        """List it, as a sign-in does by itself. `StorageError`."""
        write(self.path(account).with_suffix(NAME), asdict(account))


def write(path: Path, said: dict[str, str]) -> None:
    """At once or not at all. `StorageError`."""
    half = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half.write_text(json.dumps(said))
        half.replace(path)
    except OSError as error:
        with suppress(OSError):
            half.unlink()
        raise StorageError(f"{path}: {error.strerror}") from None


def _read(text: bytes) -> Account | None:
    try:
        return Account(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _file_store(path: str) -> Store:
    from perennial.stores.file import FileStore  # noqa: PLC0415  # those who bring a store need none

    return FileStore(path)
