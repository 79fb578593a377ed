"""The server's clock: time that passes, and time that a test lets pass."""

import time
from collections.abc import Callable
from email.utils import formatdate


class Clock:
    """Seconds since the epoch. `reading` is a monotonic clock; a test may stop it."""

    def __init__(self, reading: Callable[[], float] = time.monotonic) -> None:
        self._reading = reading
        self._began = time.time() - reading()  # noqa: TID251  # this is the clock
        self._ahead = 0.0

    def now(self) -> float:
        return self._began + self._reading() + self._ahead

    def advance(self, seconds: float) -> None:
        """Backwards too: servers' clocks are set by hand."""
        self._ahead += seconds


def http_date(at: float) -> str:
    return formatdate(at, usegmt=True)
