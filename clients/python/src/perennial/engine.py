"""Who may go on at once, who waits, and the one refresh that they all wait for."""

import threading
from collections.abc import Sequence

from perennial import events, flow
from perennial.book import Book
from perennial.clock import Clock
from perennial.driver import Driver
from perennial.entry import Entry
from perennial.errors import (
    OfflineError,
    RefreshLoopError,
)
from perennial.events import Bell
from perennial.flight import Flight, take_off
from perennial.flow import Over
from perennial.hangar import Hangar
from perennial.lifetimes import Freshness, Held
from perennial.pace import Pace
from perennial.pilot import Pilot
from perennial.reauth import Reauthenticator
from perennial.record import Granted, Record


class Engine:
    """`skew`: how many seconds before an access token expires the next one is fetched."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        bell: Bell,
        *,
        skew: float,
        chain: Sequence[Reauthenticator],
    ) -> None:
        self._driver, self._clock, self._bell = driver, clock, bell
        self._skew, self._hangar = skew, Hangar()
        self.book, self._pace = Book(clock, bell), Pace(clock)
        self._entry = Entry(driver, clock, self.book)
        self._pilot = Pilot(
            driver,
            clock,
            bell,
            self._hangar,
            self.book,
            self._pace,
            self._entry,
            skew=skew,
            chain=chain,
        )

    def after_fork(self) -> None:
        self._hangar.after_fork()
        self._bell.after_fork()

    # --- callers ----------------------------------------------------------------------------------

    def look(self, patience: float, rejected: Record | None = None) -> Held | Flight:
        """The session as it may be used now, or the flight to wait for, which the caller leaves by
        `leave`. `patience` is in seconds. `rejected` is the record whose access token was refused;
        `RefreshLoopError` when that happens all the time.
        """
        boarded: list[Flight] = []
        try:
            found, begun = self._look(patience, rejected, boarded)
            if begun is not None:
                self._take_off(begun)
        except BaseException:
            # A signal's handler may raise anywhere: nobody is to wait for a flight that never was.
            self._hangar.abandon_own()
            for flight in boarded:
                self.leave(flight)
            raise
        return found

    def _look(
        self, patience: float, rejected: Record | None, boarded: list[Flight]
    ) -> tuple[Held | Flight, Flight | None]:
        """And the flight that has to take off first."""
        begun = None
        with self._hangar.mutex:
            refused = rejected if rejected is not None and self._is_held(rejected) else None
            ready, wanted = self._usable() if refused is None else (None, True)
            self.book.notice()
            flight = self._hangar.flight
            if refused is not None and (flight is None or not flight.rejects(refused)):
                self._spend()
            if flight is None and (ready is None or (wanted and self._pace.may_try())):
                flight = begun = self._hangar.new()
            if ready is not None:
                return ready, begun
            assert flight is not None
            if flight.thread == threading.get_ident():
                raise OfflineError("asked for by what the answer is waiting for")
            if refused is not None and not flight.rejects(refused):
                flight.rejected = refused
            flight.waiters += 1
            boarded.append(flight)
            flight.latest = max(flight.latest, self._clock.monotonic() + patience)
            return flight, begun

    def still_good(self, rejected: Record | None) -> Held | None:
        """What who could not wait for new tokens may use: the old ones, if they are good."""
        held = self.book.held
        if held is None or (rejected is not None and not held.record.newer_than(rejected)):
            return None
        left = held.left_at(self._clock)
        return held if held.record.active and left is not None and left > 0 else None

    def restore(self) -> None:
        """Take what the store holds, as it is."""
        outcome = self._driver.run(flow.glance(self.book.record, lambda _: False))
        self._pilot.take(outcome or Over(self.book.record or Record(reason="nobody")), set())
        self._bell.ring()

    def leave(self, flight: Flight) -> None:
        """A flight that nobody waits for any more does not go on for ever."""
        with self._hangar.mutex:
            flight.waiters -= 1
            if flight.waiters == 0:
                flight.woken.set()

    def wake(self) -> None:
        """The network is back, or the machine, or the person: what waits tries again now, and what
        there is to fetch, to store or to tell the server begins.
        """
        with self._hangar.mutex:
            self._pace.hurry()
            self._hangar.wake()
        self.nudge()

    def nudge(self) -> None:
        """Begin what there is to fetch, to store or to tell the server, though nobody waits for it."""
        with self._hangar.mutex:
            self.book.notice()
            _, wanted = self._usable()
            begins = wanted and self._hangar.flight is None and self._pace.may_try()
            flight = self._hangar.new() if begins else None
        if flight is not None:
            self._take_off(flight)

    def sign_in(self, granted: Granted, *, revoke: bool) -> None:
        """A new session instead of whatever there was, which `revoke` ends at the server as well."""
        owed: set[str] = set()
        try:
            with self._hangar.mutex:
                self._entry.check_chain(granted, owed)
            record, unstored = self._entry.admit(granted, revoke=revoke)
            with self._hangar.mutex:
                self._entry.take(record, unstored)
                self._pace.start_again()
                self._welcome()
        finally:
            self._bell.ring()
            self._entry.pay(owed)
        self._entry.pay(record.to_revoke)

    def sign_out(self, *, revoke: bool) -> bool:
        """Here at once, and for all siblings; whether the server knows too. What it does not know
        yet it is told later. `StorageError`: siblings learn of it when the store is back.
        """
        record, failure = self._entry.dismiss(revoke=revoke)
        with self._hangar.mutex:
            self._entry.leave(record, failure, revoke=revoke)
        self._bell.ring()
        told = self._entry.pay(record.to_revoke)
        if failure is not None:
            raise failure
        return told

    def finish(self) -> None:
        """Wait for a refresh on its way, so that its answer is stored before the program ends: as
        long as a request may take, and its repetition. Nobody waits for a person, or for itself.
        """
        flight = self._hangar.last
        if flight is None or flight.asking or flight.thread == threading.get_ident():
            return
        with self._hangar.mutex:
            self._hangar.wake()
        flight.landed.wait(2 * self._driver.server.timeout)

    def _take_off(self, flight: Flight) -> None:
        take_off(flight, lambda: self._pilot.fly(flight))

    def _welcome(self) -> None:
        """Who waits for a person need not when the session is usable, whoever signed in."""
        flight, held = self._hangar.flight, self.book.held
        if flight is not None and flight.asking and held is not None and held.record.active:
            flight.settle(held)
            self._hangar.close(flight)

    def _spend(self) -> None:
        try:
            self._pace.spend()
        except RefreshLoopError as error:
            self._bell.put(events.RefreshLoop(error.pause))
            raise

    def _is_held(self, record: Record) -> bool:
        held = self.book.record
        return held is not None and held.active and not held.newer_than(record)

    def _usable(self) -> tuple[Held | None, bool]:
        """What can be used at once, and whether there is something to fetch or to store."""
        held = self.book.held
        if held is None or not held.record.active:
            return None, True
        fresh = held.freshness(self._clock, self._skew)
        if fresh is Freshness.EXPIRED or (fresh is Freshness.DUE and self._pace.may_try()):
            return None, True
        renewable = held.record.refresh_token is not None
        stale = fresh is not Freshness.FRESH and renewable
        return held, stale or self.book.unstored is not None
