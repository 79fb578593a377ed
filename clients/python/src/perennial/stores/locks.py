"""Locks that end with the process that holds them, however it ends."""

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from weakref import WeakSet, WeakValueDictionary

from perennial.errors import StorageError
from perennial.stores import disk

SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.05

_HELD_ELSEWHERE = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
# What `flock` answers where the file system, or the server of a network's, has no locks.
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}

if sys.platform == "win32":  # written after its documentation: no test of ours runs there
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _give_back(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _give_back(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class _Descriptor:
    """An open lock file. The children that fork off close theirs, and never speak for its owner."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, path: str) -> None:
        with _FORKS:
            self.number = disk.open_lasting(path)
            _OPEN.add(self)

    def close(self) -> None:
        with _FORKS:
            number, self.number = self.number, -1
            if number >= 0:
                with suppress(OSError):  # it is closed even then
                    os.close(number)


# Held by who opens or closes a descriptor, so that no fork sees one that is not in _OPEN, or a
# number of _OPEN that belongs to another file by now.
_FORKS = threading.RLock()
_OPEN: WeakSet[_Descriptor] = WeakSet()
# On network file systems a lock belongs to the process, not to the descriptor: the threads of one
# process take turns here first.
_TURNS: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()


class FileLock:
    """Exclusive among processes and threads. The file is never deleted: a lock on a deleted file
    keeps nobody out. It is never stolen either: a process that stands still may go on.
    """

    def __init__(
        self,
        path: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path, self._clock, self._sleep = path, clock, sleep

    @contextmanager
    def hold(self, timeout: float) -> Iterator[bool]:
        """Whether it could be had in `timeout` seconds; it is tried once if there are none."""
        deadline = self._clock() + timeout
        turn = self._turn()
        if not turn.acquire(timeout=min(max(timeout, 0), threading.TIMEOUT_MAX)):
            yield False
            return
        try:
            descriptor = self._taken(deadline)
        except BaseException:
            turn.release()
            raise
        if descriptor is None:
            turn.release()
            yield False
            return
        try:
            yield True
        finally:
            try:
                _release(descriptor)
            finally:
                turn.release()

    def _turn(self) -> threading.Lock:
        with _FORKS:
            return _TURNS.setdefault(self._path, threading.Lock())

    def _taken(self, deadline: float) -> _Descriptor | None:
        with disk.storage_errors(self._path):
            descriptor = _Descriptor(self._path)
            try:
                while not _try(descriptor):
                    left = deadline - self._clock()
                    if left <= 0:
                        descriptor.close()
                        return None
                    self._sleep(min(left, _pause()))
            except BaseException:
                descriptor.close()
                raise
            return descriptor


def _try(descriptor: _Descriptor) -> bool:
    try:
        _take(descriptor.number)
    except OSError as error:
        if error.errno in _HELD_ELSEWHERE:
            return False
        if error.errno in _WITHOUT_LOCKS:
            raise StorageError(
                "the file system has no locks; keep the session on a local disk"
            ) from error
        raise
    return True


def _release(descriptor: _Descriptor) -> None:
    # Not by closing alone: a program that is just being started has a copy until it runs.
    if descriptor.number >= 0:
        with suppress(OSError):
            _give_back(descriptor.number)
    descriptor.close()


def _pause() -> float:
    return SHORTEST_PAUSE + (LONGEST_PAUSE - SHORTEST_PAUSE) * os.urandom(1)[0] / 255


def _after_fork() -> None:
    for descriptor in list(_OPEN):
        descriptor.close()
    _TURNS.clear()
    _FORKS.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_FORKS.acquire, after_in_parent=_FORKS.release, after_in_child=_after_fork
    )
