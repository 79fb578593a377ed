"""Time, as an argument: what tests and other event loops may replace."""

import time
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """Seconds. `wall` is UTC epoch time and may jump; `monotonic` never goes back, and on some
    machines stands still while they sleep.
    """

    def wall(self) -> float: ...

    def monotonic(self) -> float: ...

    def pause(self, seconds: float, until: Event) -> None:
        """Return after so many seconds, or when the event is set."""
        ...


class SystemClock:
    def wall(self) -> float:
        return time.time()  # noqa: TID251  # the clock itself

    def monotonic(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float, until: Event) -> None:
        until.wait(seconds)
