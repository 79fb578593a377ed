"""Blocking work in a thread of its own, that many may wait for and that nobody has to."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future

Flight = Future[None]
Spawn = Callable[[Callable[[], None]], Flight]


def spawn(work: Callable[[], None]) -> Flight:
    """Start `work`, which raises nothing. The thread ends with it; none is kept."""
    flight: Flight = Future()

    def run() -> None:
        try:
            work()
        finally:
            flight.set_result(None)

    # No thread to be had: the work is not done, which its waiters find out as for any failure.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=run, name="perennial-verify", daemon=True).start()
        return flight
    flight.set_result(None)
    return flight
