"""The one flight that everybody of a process shares, and the mutex around all that is shared."""

import threading

from perennial.errors import OfflineError
from perennial.flight import Flight


class Hangar:
    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """No thread came along, and nobody here knows who held the mutex. It is one that a signal
        handler, or what the garbage collector runs, may take again in the middle of anything.
        """
        self.mutex = threading.RLock()
        self.flight: Flight | None = None
        self.last: Flight | None = None

    def new(self) -> Flight:
        """To be called under the mutex, as the next one."""
        self.flight = self.last = flight = Flight()
        return flight

    def wake(self) -> None:
        """Who pauses goes on. To be called under the mutex."""
        if self.flight is not None:
            self.flight.woken.set()

    def close(self, flight: Flight) -> None:
        """Nobody boards it any more."""
        if self.flight is flight:
            self.flight = None

    def abandon_own(self) -> None:
        """What this thread began nobody flies, unless somebody does already."""
        flight = self.flight
        if flight is not None and flight.maker == threading.get_ident() and flight.claim():
            with self.mutex:
                self.close(flight)
                flight.settle(OfflineError("what was to fetch a token was interrupted"))
            flight.landed.set()
