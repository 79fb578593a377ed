"""Sessions in an SQLite database: several of them, each with a name."""

import hashlib
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from urllib.parse import quote

from perennial.errors import StorageError
from perennial.store import Kept
from perennial.stores import disk
from perennial.stores.locks import FileLock

FORMAT = 1
PATIENCE = 5.0
"""Seconds for the others to finish their transactions, each of which takes milliseconds."""

# EXTRA is FULL, and the journal's end survives a loss of power too: a journal that comes back would
# undo what was committed.
_DURABLE = "PRAGMA synchronous = EXTRA"
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'perennial_sessions'"
_CREATE = """
CREATE TABLE IF NOT EXISTS perennial_sessions (
    name TEXT PRIMARY KEY, format INTEGER NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL
)
"""
_READ = "SELECT format, version, document FROM perennial_sessions WHERE name = ?"
_WRITE = "INSERT OR REPLACE INTO perennial_sessions VALUES (?, ?, ?, ?)"
_EXISTS = "SELECT 1 FROM perennial_sessions WHERE name = ?"
_RENAME = "UPDATE perennial_sessions SET name = ? WHERE name = ?"

# Held while a connection is open, and by who forks: SQLite keeps the locks of a process in memory
# too, and a child that inherits them would believe for ever that it has them.
_CONNECTED = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_CONNECTED.acquire,
        after_in_parent=_CONNECTED.release,
        after_in_child=_CONNECTED.release,
    )


class _Unreadable(Exception):  # noqa: N818  # nothing that a caller sees
    """The row holds no session, and nothing a later version of this program wrote."""


class SqliteStore:
    """Each operation has a connection of its own, so that neither threads nor forks share one; a
    process has one at a time, and forks between them.

    The file is private to its owner, and should hold nothing else: one that SQLite cannot read is
    renamed to `.unreadable-1`, `-2` and so on. Beside it: `.<name>.lock`, held to refresh, and
    `.swap`, held to create the file or to rename it. Both stay forever.
    """

    def __init__(self, path: disk.Location, name: str = "default") -> None:
        self._path, self._name = disk.resolved(path), name
        self._refreshing = FileLock(f"{self._path}.{_file_name(name)}.lock")
        self._creating = FileLock(f"{self._path}.swap")

    def read(self) -> Kept | None:
        with self._errors():
            if not self._is_there():
                return None
            try:
                with self._connection() as connection:
                    return _load(connection, self._name)
            except _Unreadable:
                with self._transaction() as connection:
                    return _load_or_put_aside(connection, self._name)
            except sqlite3.DatabaseError as error:
                self._put_aside_after(error)
                return None

    def swap(self, expected: int, new: Kept) -> bool:
        json.loads(new.document)
        with self._errors():
            try:
                return self._swap(expected, new)
            except sqlite3.DatabaseError as error:
                self._put_aside_after(error)
                return self._swap(expected, new)

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        return self._refreshing.hold(timeout)

    def _swap(self, expected: int, new: Kept) -> bool:
        if not self._is_there():
            self._create()
        disk.make_private(self._path)
        with self._transaction() as connection:
            connection.execute(_CREATE)
            there = _load_or_put_aside(connection, self._name)
            if expected != (there.version if there else 0):
                return False
            connection.execute(_WRITE, (self._name, FORMAT, new.version, new.document))
            return True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with disk.storage_errors(self._path):
                yield
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}") from error

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        url = f"file:{quote(self._path)}?mode=rw"  # SQLite would create a file that others can read
        with (
            _CONNECTED,
            closing(
                sqlite3.connect(url, uri=True, timeout=PATIENCE, isolation_level=None)
            ) as connection,
        ):
            connection.text_factory = bytes  # what is no UTF-8 would be quoted in an error
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute(_DURABLE)
            connection.execute("BEGIN IMMEDIATE")
            yield connection  # who fails leaves it open, and closing rolls it back
            connection.execute("COMMIT")

    def _is_there(self) -> bool:
        # Never by opening it: closing a descriptor drops every lock that SQLite has on the file.
        found = disk.status(self._path)
        if found is not None:
            disk.check_owner(self._path, found)
        return found is not None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._creating.hold(PATIENCE) as held:
            if not held:
                raise StorageError(f"{self._path}: another process has been at it for too long")
            yield

    def _create(self) -> None:
        with self._alone():
            if not self._is_there():
                disk.sweep(self._path)
                disk.replace(self._path, b"")

    def _put_aside_after(self, error: sqlite3.DatabaseError) -> None:
        """Rename what is not a database, or a damaged one; other errors are raised again."""
        if not _says_damage(error):
            raise error
        with self._alone():
            if self._is_there() and self._is_damaged():
                # A journal that stays behind is not played into the next: that begins empty.
                disk.put_aside(self._path)

    def _is_damaged(self) -> bool:
        try:
            with self._connection() as connection:
                (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if not _says_damage(error):
                raise
            return True
        return bool(found != b"ok")


def _says_damage(error: sqlite3.DatabaseError) -> bool:
    """SQLITE_CORRUPT and SQLITE_NOTADB have no class of their own, and no code before Python 3.11."""
    return type(error) is sqlite3.DatabaseError


def _load(connection: sqlite3.Connection, name: str) -> Kept | None:
    if connection.execute(_IS_THERE).fetchone() is None:
        return None
    row = connection.execute(_READ, (name,)).fetchone()
    return _understood(*row) if row else None


def _load_or_put_aside(connection: sqlite3.Connection, name: str) -> Kept | None:
    try:
        return _load(connection, name)
    except _Unreadable:
        number = 1
        while connection.execute(_EXISTS, (aside := f"{name}.unreadable-{number}",)).fetchone():
            number += 1
        connection.execute(_RENAME, (aside, name))
        return None


def _understood(written_as: object, version: object, document: object) -> Kept:
    if isinstance(written_as, int) and written_as > FORMAT:
        raise StorageError("a later version wrote this session; upgrade perennial-client")
    try:
        match version, document:
            case int(number), bytes(text) if number > 0 and written_as == FORMAT:
                json.loads(text)
                return Kept(number, text.decode())
    except (ValueError, RecursionError):
        pass
    raise _Unreadable


def _file_name(name: str) -> str:
    return name if re.fullmatch(r"[\w-]{1,64}", name, re.ASCII) else _short_hash(name)


def _short_hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
