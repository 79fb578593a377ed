"""One piece of work that many wait for: threads and event loops alike, as long as each likes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from copy import copy

from perennial.book import Verdict
from perennial.errors import ConfigError, OfflineError, SessionError
from perennial.lifetimes import Held
from perennial.record import Record


class Flight:
    """Detached from its waiters: one that gives up does not end it. `rejected` is the newest
    record whose access token a resource server has refused. `asking`: nothing is on its way any
    more, but a person is being asked to sign in.
    """

    def __init__(self) -> None:
        self.future: Future[Verdict] = Future()
        self.future.set_running_or_notify_cancel()
        self.waiters = 0
        self.latest = 0.0
        self.rejected: Record | None = None
        self.trouble: SessionError | None = None
        self.thread: int | None = None
        self.asking = False
        self.landed, self.woken = threading.Event(), threading.Event()
        self.owed: set[str] = set()
        self.maker = threading.get_ident()
        self._claims = [None]

    def claim(self) -> bool:
        """True for the first who asks: who flies it, or who finds that nobody is going to."""
        try:
            self._claims.pop()
        except IndexError:
            return False
        return True

    def settle(self, verdict: Verdict) -> None:
        """For all who wait; only the first time counts. To be called under the engine's mutex."""
        if not self.future.done():
            self.future.set_result(verdict)

    def wait(self, seconds: float) -> Held:
        """The session's new state, or its error; `OfflineError` or what is in the way after so
        many seconds.
        """
        try:
            return self.of(self.future.result(min(max(0.0, seconds), threading.TIMEOUT_MAX)))
        except TooLate:
            raise self.late() from None

    async def wait_in_loop(self, seconds: float) -> Held:
        """As `wait`, in whichever event loop is running."""
        import asyncio  # noqa: PLC0415  # only those who have a loop pay for it

        mine = asyncio.wrap_future(self.future)
        try:
            await asyncio.wait([mine], timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))
            if not mine.done():
                raise self.late()
            return self.of(mine.result())
        finally:
            mine.cancel()

    def rejects(self, record: Record) -> bool:
        return self.rejected is not None and not record.newer_than(self.rejected)

    def of(self, verdict: Verdict) -> Held:
        if isinstance(verdict, SessionError):
            raise copy(verdict)
        return verdict

    def late(self) -> SessionError:
        return copy(self.trouble) if self.trouble else OfflineError("no answer before the deadline")


def expect_asyncio() -> None:
    """Not only when there is something to wait for, long after the program was tried."""
    from asyncio import get_running_loop  # noqa: PLC0415  # as above

    try:
        get_running_loop()
    except RuntimeError:
        raise ConfigError(
            "tokens can be awaited in asyncio only; elsewhere, use a thread"
        ) from None


def take_off(flight: Flight, work: Callable[[], None]) -> None:
    """In a thread of its own, which ends with the work; in this one where there is none to be had."""

    def run() -> None:
        if flight.claim():
            flight.thread = threading.get_ident()
            work()

    try:
        threading.Thread(target=run, name="perennial-session", daemon=True).start()
    except RuntimeError:
        run()
