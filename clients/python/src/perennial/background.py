"""A thread that looks after a session while nobody asks for a token."""

import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from perennial.clock import Clock
from perennial.engine import Engine
from perennial.errors import StorageError
from perennial.retry import jitter

if TYPE_CHECKING:
    from typing_extensions import Self

EVERY = 15.0
SHORTEST = 0.05


class Background:
    """From `start` to `stop`, or for the time of a `with`: fetches the next access token when it is
    time, sees what siblings did, stores what could not be stored, and notices that the machine slept.
    It looks every `every` seconds, more often where access tokens live shorter than minutes.
    """

    def __init__(self, engine: Engine, clock: Clock, every: float = EVERY) -> None:
        self._engine, self._clock, self._every = weakref.ref(engine), clock, every
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> "Self":
        if self._thread is None:
            work = threading.Thread(target=self._run, name="perennial-background", daemon=True)
            self._thread = work
            work.start()
        return self

    def stop(self) -> None:
        """It may still be looking once more when this returns."""
        self._stopped.set()

    def __enter__(self) -> "Self":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        seen = self._clock.wall()
        while not self._stopped.is_set():
            engine = self._engine()
            if engine is None:
                return
            pause = self._look(engine, slept=self._clock.wall() > seen + 2 * self._every)
            seen = self._clock.wall()
            del engine
            self._clock.pause(pause, self._stopped)

    def _look(self, engine: Engine, *, slept: bool) -> float:
        """Once; how many seconds until the next time. Not all clients look at the same moment."""
        with suppress(StorageError):
            engine.restore()
        if slept:
            engine.wake()
        else:
            engine.nudge()
        held = engine.book.held
        lifetime = None if held is None else held.record.lifetime
        every = self._every if lifetime is None else min(self._every, lifetime / 10)
        return max(SHORTEST, every) * (0.9 + 0.2 * jitter())
