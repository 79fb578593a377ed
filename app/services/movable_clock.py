"""The clock of a development server, which client authors push forward to see things expire."""

import mmap
from collections.abc import Callable

from app.services.ratelimit import TIME, HostLock

LARGEST = 10 * 365 * 24 * 3600 * 1000
"""Milliseconds that it may be ahead: ten years."""


class MovableClock:
    """UTC milliseconds: the system's plus an offset that processes forked afterwards share."""

    def __init__(self, system: Callable[[], int]) -> None:
        self._system = system
        self._memory = mmap.mmap(-1, TIME.size)
        self._lock = HostLock()

    def __call__(self) -> int:
        return self._system() + self.offset

    @property
    def offset(self) -> int:
        offset: int = TIME.unpack_from(self._memory)[0]
        return offset

    def advance(self, milliseconds: int) -> bool:
        """Whether it moved; it does not go further ahead than `LARGEST`."""
        with self._lock.hold():
            offset = self.offset + milliseconds
            if offset > LARGEST:
                return False
            TIME.pack_into(self._memory, 0, offset)
            return True

    def reset(self) -> None:
        """Back to the system's time."""
        with self._lock.hold():
            TIME.pack_into(self._memory, 0, 0)
