"""A session that ends with its process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from perennial.errors import StorageError
from perennial.store import Kept


class MemoryStore:
    """For tests, and for programs that sign in anew whenever they start.

    A child that forked off with a session inside can read it, and neither replace nor refresh it:
    parent and child would both refresh one token, and a server takes that for theft.
    """

    def __init__(self) -> None:
        self._kept: Kept | None = None
        self._is_copy = False
        self._renew_locks()
        _ALL.add(self)

    def read(self) -> Kept | None:
        return self._kept

    def swap(self, expected: int, new: Kept) -> bool:
        self._refuse_copy()
        with self._swapping:
            if expected != (self._kept.version if self._kept else 0):
                return False
            self._kept = new
            return True

    @contextmanager
    def lock(self, timeout: float) -> Iterator[bool]:
        self._refuse_copy()
        held = self._refreshing
        if not held.acquire(timeout=min(max(timeout, 0), threading.TIMEOUT_MAX)):
            yield False
            return
        try:
            yield True
        finally:
            held.release()

    def _refuse_copy(self) -> None:
        if self._is_copy:
            raise StorageError("a forked process has only a copy of this session: use a FileStore")

    def _renew_locks(self) -> None:
        self._swapping, self._refreshing = threading.Lock(), threading.Lock()

    def _forked(self) -> None:
        """An empty store is the child's own; its locks may be held by threads that it lacks."""
        self._is_copy = self._kept is not None
        self._renew_locks()


_ALL: WeakSet[MemoryStore] = WeakSet()


def _after_fork() -> None:
    for store in _ALL:
        store._forked()  # noqa: SLF001  # the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
