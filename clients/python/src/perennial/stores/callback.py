"""A session where the application keeps everything else: a row of its own database."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from weakref import WeakSet

from perennial.store import Kept, calling, locking


class CallbackStore:
    """Three functions that do what `Store` asks of its methods. What they raise is `StorageError`.
    `read` has to see every swap: not a replica that lags, for a server may take the second use of a
    token that was replaced for theft.

    `lock` is best a lock of the session's row (`SELECT ... FOR UPDATE`) that is given up by a
    timeout. Without `lock` the threads that use this object take turns, and nobody else: one
    process needs no more. Several of them refresh at once, `swap` lets one win, and the server has
    to forgive the others.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Kept | None],
        swap: Callable[[int, Kept], bool],
        lock: Callable[[float], AbstractContextManager[bool]] | None = None,
    ) -> None:
        self._read, self._swap = read, swap
        self._lock = lock or self._turn
        self._renew_lock()
        _ALL.add(self)

    def read(self) -> Kept | None:
        with calling("read"):
            return self._read()

    def swap(self, expected: int, new: Kept) -> bool:
        with calling("swap"):
            return self._swap(expected, new)

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        return locking(self._lock, timeout)

    @contextmanager
    def _turn(self, timeout: float) -> Iterator[bool]:
        held = self._refreshing
        if not held.acquire(timeout=min(max(timeout, 0), threading.TIMEOUT_MAX)):
            yield False
            return
        try:
            yield True
        finally:
            held.release()

    def _renew_lock(self) -> None:
        self._refreshing = threading.Lock()


_ALL: WeakSet[CallbackStore] = WeakSet()


def _after_fork() -> None:
    """Locks may be held by threads that the child lacks."""
    for store in _ALL:
        store._renew_lock()  # noqa: SLF001  # the same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
