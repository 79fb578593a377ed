"""A session in a file of its own, for command lines, desktops and every process of one host."""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from perennial.errors import StorageError
from perennial.store import Kept
from perennial.stores import disk
from perennial.stores.locks import FileLock

FORMAT = 1
LARGEST = 1 << 20
"""Bytes. No session comes near."""
PATIENCE = 5.0
"""Seconds for the others to finish their writes, each of which takes milliseconds."""


class _Unreadable(Exception):  # noqa: N818  # nothing that a caller sees
    """The file holds no session, and nothing a later version of this program wrote."""


class FileStore:
    """`{"format": 1, "version": 7, "document": {...}}`, private to its owner. Documents come back
    equal as JSON, not letter by letter.

    Beside the file: `.lock`, held to refresh, and `.swap`, held to write. Both stay forever. What
    cannot be understood becomes `.unreadable-1`, `-2` and so on. An empty file is no session.
    """

    def __init__(self, path: disk.Location) -> None:
        self._path = disk.resolved(path)
        self._refreshing = FileLock(f"{self._path}.lock")
        self._writing = FileLock(f"{self._path}.swap")
        self._swept = False

    def read(self) -> Kept | None:
        # Windows replaces no file that somebody reads.
        quiet = self._alone() if sys.platform == "win32" else nullcontext()
        try:
            with quiet, disk.storage_errors(self._path):
                return self._load()
        except _Unreadable:
            with self._alone():
                return self._load_or_put_aside()

    def swap(self, expected: int, new: Kept) -> bool:
        content = _written(new)
        with self._alone():
            there = self._load_or_put_aside()
            if expected != (there.version if there else 0):
                return False
            if not self._swept:
                disk.sweep(self._path)
                self._swept = True
            disk.replace(self._path, content)
            return True

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        return self._refreshing.hold(timeout)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._writing.hold(PATIENCE) as held:
            if not held:
                raise StorageError(f"{self._path}: another process has been writing for too long")
            with disk.storage_errors(self._path):
                yield

    def _load_or_put_aside(self) -> Kept | None:
        try:
            return self._load()
        except _Unreadable:
            disk.put_aside(self._path)
            return None

    def _load(self) -> Kept | None:
        content = disk.read(self._path, LARGEST + 1)
        return _understood(self._path, content) if content else None


def _understood(path: str, content: bytes) -> Kept:
    if len(content) > LARGEST:
        raise _Unreadable
    try:
        match json.loads(content):
            case {"format": int(later)} if later > FORMAT:
                raise StorageError(f"{path}: a later version wrote it; upgrade perennial-client")
            case {"format": 1, "version": int(version), "document": document} if version > 0:
                return Kept(version, json.dumps(document))
    except (ValueError, RecursionError):
        pass
    raise _Unreadable


def _written(new: Kept) -> bytes:
    envelope = {"format": FORMAT, "version": new.version, "document": json.loads(new.document)}
    content = json.dumps(envelope, indent=1).encode()
    if len(content) > LARGEST:
        raise StorageError(f"a session of {len(content)} bytes is too long to be read again")
    return content
