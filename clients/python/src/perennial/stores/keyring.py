"""The refresh token in the keyring of the operating system, the rest beside it."""

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keyring
from keyring.backend import KeyringBackend

from perennial.errors import StorageError
from perennial.store import Kept, Store, Withheld

ENTRY = "keyring"
"""The member of the document beside that names the keyring's entries."""

_Object = dict[str, Any]

_SECRET = "refresh_token"  # noqa: S105  # the name of a member
_NOISE = 16
_TRIES = 20
_ABSENT = (
    "the keyring has no refresh token of this session: it is another keyring, or its entry was"
    " deleted; sign in again, or use the keyring where that was done"
)


class KeyringStore:
    """Keeps documents that are objects of JSON. Their member `refresh_token` goes to the keyring,
    under `service` and a new random name with every new token; the swap of `beside`, which has to
    outlive the process, makes it the valid one. Windows keeps tokens of up to 1280 characters.

    A keyring that is locked or does not answer is a `StorageError`, and so is one without the entry
    (`Withheld`): a process that has another keyring must not take the session for one that ended. A
    swap does not need the former entry. A document that `beside` held before is read as it is, and
    split by the next swap.
    """

    def __init__(
        self, service: str, beside: Store, *, backend: KeyringBackend | None = None
    ) -> None:
        self._service, self._beside, self._backend = service, beside, backend

    def read(self) -> Kept | None:
        there = self._beside.read()
        for _ in range(_TRIES):
            if there is None:
                return None
            document, entry, _ = _split(there)
            if entry is None:
                return Kept(there.version, json.dumps(document))
            token = self._get(entry)
            if token is not None:
                return Kept(there.version, json.dumps(document | {_SECRET: token}))
            former, there = there, self._beside.read()
            if there == former:
                raise Withheld(_ABSENT, Kept(there.version, json.dumps(document)))
        raise StorageError("the session is being replaced faster than it can be read")

    def swap(self, expected: int, new: Kept) -> bool:
        document = json.loads(new.document)
        token = document.pop(_SECRET, None)
        there = self._beside.read()
        if expected != (there.version if there else 0):
            return False
        _rest, former, old = _split(there) if there else ({}, None, [])
        if token is not None:
            # First, because a locked keyring may ask its person to open it: once is enough.
            if former is not None and self._get(former) == token:
                return self._name(expected, new.version, document, former, old)
            old = self._delete(old)
        if former is not None:
            old.append(former)
        added = None if token is None else self._add(token)
        try:
            won = self._name(expected, new.version, document, added, old)
        except StorageError:
            # It may be done, and only the answer lost: the entry goes when `beside` knows nothing.
            if added is not None and not self._is_named(added):
                self._delete([added])
            raise
        if won:
            self._delete(old)
        elif added is not None:
            self._delete([added])
        return won

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        return self._beside.lock(timeout)

    def _name(
        self, expected: int, version: int, document: _Object, entry: str | None, old: list[str]
    ) -> bool:
        """The step that counts. `old` names what is to be deleted, should nobody come to it now."""
        if entry is not None or old:
            document = document | {ENTRY: {"entry": entry, "old": old}}
        return self._beside.swap(expected, Kept(version, json.dumps(document)))

    def _is_named(self, entry: str) -> bool:
        there = self._beside.read()
        return there is not None and _split(there)[1] == entry

    def _get(self, entry: str) -> str | None:
        with _answering():
            return self._ring().get_password(self._service, entry)

    def _add(self, token: str) -> str:
        entry = os.urandom(_NOISE).hex()
        with _answering():
            self._ring().set_password(self._service, entry, token)
        if self._get(entry) != token:
            raise StorageError("the keyring did not keep what it was given")
        return entry

    def _delete(self, entries: list[str]) -> list[str]:
        """The ones that are still there, because the keyring does not answer or refuses."""
        return [entry for entry in entries if not self._is_gone(entry)]

    def _is_gone(self, entry: str) -> bool:
        try:
            if self._get(entry) is not None:
                with _answering():
                    self._ring().delete_password(self._service, entry)
        except StorageError:
            return False
        return True

    def _ring(self) -> KeyringBackend:
        return self._backend or keyring.get_keyring()


def _split(there: Kept) -> tuple[_Object, str | None, list[str]]:
    """The document without the names of entries, the valid entry, and those to be deleted."""
    document = json.loads(there.document)
    names = document.pop(ENTRY, {})
    return document, names.get("entry"), names.get("old", [])


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever the backend and the libraries below raise
        # Backends that run a program quote its arguments, a token among them.
        raise StorageError(f"the keyring does not answer: {type(error).__name__}") from None
