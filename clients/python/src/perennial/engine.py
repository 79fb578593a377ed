"""Who may go on at once, who waits, and the one refresh that they all wait for."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from contextlib import suppress

from perennial import events, flow
from perennial.answers import Refused
from perennial.book import Book, State, Verdict
from perennial.clock import Clock
from perennial.driver import Driver
from perennial.errors import (
    ConfigError,
    OfflineError,
    ReauthRequired,
    RefreshLoopError,
    ServerBusyError,
    SessionError,
    SignedOut,
    StorageError,
    Unreachable,
)
from perennial.events import Bell
from perennial.flight import Flight, take_off
from perennial.flow import Current, Failed, Outcome, Over, Overtaken, Unstored
from perennial.lifetimes import Freshness, Held
from perennial.reauth import Reauthenticator, go_through
from perennial.record import Granted, Record
from perennial.retry import Trouble

MOST_FORCED, FORCED_WITHIN = 5, 30.0


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
        self._skew, self._chain = skew, chain
        self.book = Book(clock, bell)
        self._forced: deque[float] = deque()
        self._quiet_until = self._busy_until = self._spared_until = clock.monotonic()
        self.after_fork()

    def after_fork(self) -> None:
        """No thread came along, and nobody here knows who held the mutex."""
        self._mutex = threading.Lock()
        self._woken = threading.Event()
        self._flight: Flight | None = None

    # --- callers ----------------------------------------------------------------------------------

    def look(self, patience: float, rejected: Record | None = None) -> Held | Flight:
        """The session as it may be used now, or the flight to wait for, which the caller leaves by
        `leave`. `patience` is in seconds. `rejected` is the record whose access token was refused;
        `RefreshLoopError` when that happens all the time.
        """
        started = False
        with self._mutex:
            refused = rejected if rejected is not None and self._is_held(rejected) else None
            ready, wanted = self._usable() if refused is None else (None, True)
            self.book.notice()
            flight = self._flight
            if refused is not None:
                self._spend(flight, refused)
            if flight is None and (ready is None or (wanted and self._may_try())):
                flight, started = self._new_flight(), True
            if flight is not None and ready is None:
                self._board(flight, patience, refused)
        if flight is not None and started:
            self._take_off(flight)
        found = ready or flight
        assert found is not None
        return found

    def restore(self) -> None:
        """Take what the store holds, as it is."""
        outcome = self._driver.run(flow.glance(self.book.record, lambda _: False))
        self._take(outcome or Over(self.book.record or Record(reason="nobody")))
        self._bell.ring()

    def leave(self, flight: Flight) -> None:
        """A flight that nobody waits for any more does not go on for ever."""
        with self._mutex:
            flight.waiters -= 1
            if flight.waiters == 0:
                self._woken.set()

    def wake(self) -> None:
        """The network is back, or the machine, or the person: what waits tries again now, and what
        there is to fetch, to store or to tell the server begins.
        """
        with self._mutex:
            self._quiet_until = self._clock.monotonic()
            self._woken.set()
        self.nudge()

    def nudge(self) -> None:
        """Begin what there is to fetch, to store or to tell the server, though nobody waits for it."""
        with self._mutex:
            self.book.notice()
            _, wanted = self._usable()
            begins = wanted and self._flight is None and self._may_try()
            flight = self._new_flight() if begins else None
        if flight is not None:
            self._take_off(flight)

    def _new_flight(self) -> Flight:
        self._flight = flight = Flight()
        self._woken.clear()
        return flight

    def _take_off(self, flight: Flight) -> None:
        take_off(flight, lambda: self._fly(flight))

    def _is_held(self, record: Record) -> bool:
        held = self.book.record
        return held is not None and held.active and not held.newer_than(record)

    def _usable(self) -> tuple[Held | None, bool]:
        """What can be used at once, and whether there is something to fetch or to store."""
        held = self.book.held
        if held is None or not held.record.active:
            return None, True
        fresh = held.freshness(self._clock, self._skew)
        if fresh is Freshness.EXPIRED or (fresh is Freshness.DUE and self._may_try()):
            return None, True
        renewable = held.record.refresh_token is not None
        stale = fresh is not Freshness.FRESH and renewable
        return held, stale or self.book.unstored is not None

    def _may_try(self) -> bool:
        until = max(self._quiet_until, self._busy_until, self._spared_until)
        return self._clock.monotonic() >= until

    def _spend(self, flight: Flight | None, rejected: Record) -> None:
        """Tokens that are refused as soon as they come are not to be fetched for ever."""
        if flight is not None and flight.rejects(rejected):
            return
        now = self._clock.monotonic()
        while self._forced and self._forced[0] <= now - FORCED_WITHIN:
            self._forced.popleft()
        if len(self._forced) >= MOST_FORCED:
            pause = self._forced[0] + FORCED_WITHIN - now
            self._bell.put(events.RefreshLoop(pause))
            raise RefreshLoopError(f"new tokens are refused; the next try is {pause:.0f} s away")
        self._forced.append(now)

    def _board(self, flight: Flight, patience: float, rejected: Record | None) -> None:
        if flight.thread == threading.get_ident():
            raise OfflineError("asked for by what the answer is waiting for")
        if rejected is not None and not flight.rejects(rejected):
            flight.rejected = rejected
        flight.waiters += 1
        flight.latest = max(flight.latest, self._clock.monotonic() + patience)

    # --- the flight -------------------------------------------------------------------------------

    def _fly(self, flight: Flight) -> None:
        verdict: Verdict = SessionError("the refresh failed; the program's own log says how")
        try:
            verdict = self._until_settled(flight)
        finally:
            with self._mutex:
                if self._flight is flight:
                    self._flight = None
                if isinstance(verdict, Held) and flight.rejects(verdict.record):
                    # Somebody came to replace it when it had just been settled that it would do.
                    verdict = flight.late()
            flight.future.set_result(verdict)
            self._bell.ring()

    def _until_settled(self, flight: Flight) -> Verdict:
        attempt = 0
        while True:
            attempt += 1
            result = self._held_off() or self._attempt(flight)
            if not isinstance(result, Trouble):
                return self._come_back(flight, result)
            flight.trouble = result.error
            pause = result.pause(attempt, replays=self._driver.server.replays)
            usable = self._bear(flight, result, pause, attempt)
            self._bell.ring()
            if pause and (usable is not None or not self._linger(flight, result, pause)):
                return usable or result.error

    def _held_off(self) -> Trouble | None:
        """A server that asked for a pause gets it, whoever asks meanwhile."""
        left = self._busy_until - self._clock.monotonic()
        error = ServerBusyError("the authorization server asked to wait", left)
        return Trouble(error, wait=left) if left > 0 else None

    def _bear(self, flight: Flight, trouble: Trouble, pause: float, attempt: int) -> Held | None:
        """What can be used all the same."""
        with self._mutex:
            now, held = self._clock.monotonic(), self.book.held
            self._quiet_until = now + pause
            if trouble.wait is not None:
                self._busy_until = now + trouble.wait
            left = held.left_at(self._clock) if held is not None and held.record.active else None
            usable = flight.rejected is None and left is not None and left > 0
            if usable and trouble.reached and not self._driver.server.replays:
                # What may be the last use of this refresh token waits until it has to be.
                self._spared_until = now + (left or 0)
            if isinstance(trouble.error, StorageError):
                self.book.degraded(str(trouble.error))
            if not usable:
                self.book.offline()
            self._bell.put(events.RefreshRetry(attempt, pause, type(trouble.error).__name__))
            return held if usable else None

    def _linger(self, flight: Flight, trouble: Trouble, pause: float) -> bool:
        """Whether to try again for those who wait. Nobody is kept who cannot be served in time."""
        with self._mutex:
            too_late = trouble.wait is not None and flight.latest < self._clock.monotonic() + pause
            if flight.waiters == 0 or too_late:
                self._flight = None
                return False
        self._clock.pause(pause, self._woken)
        with self._mutex:
            self._woken.clear()
            if flight.waiters == 0:
                self._flight = None
            return flight.waiters > 0

    def _attempt(self, flight: Flight) -> Verdict | Trouble:
        try:
            stored = self._store_again()
            if stored is not None:
                return stored
            known = self.book.record
            outcome = self._driver.refresh(known, self._due(flight))
            if isinstance(outcome, Failed) and isinstance(outcome.why, Refused):
                if outcome.why.code != "invalid_grant":
                    text = f"{outcome.why.code}: {outcome.why.description}".rstrip(": ")
                    return ConfigError(text, outcome.why.code)
                outcome = self._driver.run(flow.refused(outcome.record, outcome.why.reason))
        except (StorageError, Unreachable) as error:
            return Trouble(error)
        except ConfigError as error:
            return error
        return self._take(outcome)

    def _due(self, flight: Flight) -> Callable[[Record], bool]:
        def due(record: Record) -> bool:
            known = self.book.record
            if known is not None and not known.active and not record.newer_than(known):
                return True
            if flight.rejected is not None and not record.newer_than(flight.rejected):
                return True
            fresh = self.book.hold(record).freshness(self._clock, self._skew)
            if record.refresh_token is None:
                return fresh is Freshness.EXPIRED
            return fresh is not Freshness.FRESH

        return due

    def _store_again(self) -> Verdict | Trouble | None:
        """What the store could not take goes there before anything else; None when it has."""
        waiting = self.book.unstored
        if waiting is None:
            return None
        outcome = self._driver.run(flow.keep(waiting.base, waiting.renewed))
        if isinstance(outcome, Unstored):
            return Trouble(StorageError("the session cannot be stored"))
        with self._mutex:
            self.book.unstored = None
        taken = self._take(outcome)
        return None if isinstance(taken, Held) else taken

    def _take(self, outcome: Outcome | None) -> Verdict | Trouble:
        match outcome:
            case None:
                return Trouble(OfflineError("another process holds the lock of the session"))
            case Current(record, source):
                pass
            case Over(record):
                source = "sibling"
            case Overtaken(record, to_revoke):
                source = "sibling"
                self._driver.server.revoke(to_revoke)
            case Unstored(_, record):
                source = "network"
            case Failed(_, why):
                assert not isinstance(why, Refused)
                return Trouble(why.error, why.reached, why.wait)
        if record.to_revoke:
            self.revoke_left_over(record)
        with self._mutex:
            if isinstance(outcome, Unstored):
                self.book.unstored = outcome
                self.book.degraded("new tokens could not be stored")
            return self.book.take(record, source)

    # --- the end and the way back -----------------------------------------------------------------

    def _come_back(self, flight: Flight, verdict: Verdict) -> Verdict:
        """Through the chain, once for all who wait; nobody is asked while nobody waits."""
        if not isinstance(verdict, ReauthRequired) or not self._chain or not flight.waiters:
            return verdict
        ended = self.book.record or Record()
        self._bell.ring()
        flight.latest, flight.trouble, flight.asking = float("inf"), verdict, True
        if go_through(self._chain, verdict.reason, lambda: self.book.state is State.ACTIVE):
            return self.book.held or verdict
        return self._give_up(ended)

    def _give_up(self, ended: Record) -> Verdict:
        """Nobody came back: signed out, for everybody, unless somebody signed in meanwhile."""
        newest = ended.signed_out("server", ())
        with suppress(StorageError):
            newest = self._driver.run(flow.replace_by(lambda there: there.given_up(ended)))
        with self._mutex:
            known = self.book.record
            if known is not None and known.newer_than(ended):
                return self.book.take(known, "sibling")
            if newest.active or newest.reason == "user":
                return self.book.take(newest, "sibling")
            self.book.sign_out(newest, "server")
        return SignedOut("server")

    def sign_in(self, granted: Granted) -> None:
        """A new session instead of whatever there was. It is kept in memory where the store fails."""
        unstored = None
        try:
            record = self._driver.run(flow.replace_by(lambda there: there.signed_in(granted)))
        except StorageError:
            base = self.book.record or Record()
            record = base.signed_in(granted)
            unstored = Unstored(base, record)
        with self._mutex:
            self.book.unstored = unstored
            if unstored is not None:
                self.book.degraded("a sign-in could not be stored")
            self.book.take(record, "sign_in")
        self._bell.ring()

    def sign_out(self, *, revoke: bool) -> bool:
        """Here at once, and for all siblings; whether the server knows too. What it does not know
        yet it is told later. `StorageError`: siblings do not know, and may find out by themselves.
        """
        known, failure = self.book.record, None

        def over(there: Record) -> Record:
            tokens = {*there.to_revoke, there.refresh_token, known and known.refresh_token}
            listed = sorted(token for token in tokens if token)
            return there.signed_out("user", tuple(listed) if revoke else ())

        try:
            with self._driver.store.lock(1.0):
                record = self._driver.run(flow.replace_by(over))
        except StorageError as error:
            record, failure = over(known or Record()), error
        with self._mutex:
            self.book.sign_out(record, "user")
        self._bell.ring()
        told = self.revoke_left_over(record)
        if failure is not None:
            raise failure
        return told

    def revoke_left_over(self, record: Record) -> bool:
        """Tell the server which tokens are over, and remember those that it could not be told."""
        told = {token for token in record.to_revoke if self._driver.server.revoke(token)}
        if told:
            with suppress(StorageError):
                self._driver.run(flow.replace_by(lambda there: there.without(told)))
        return told == set(record.to_revoke)

    def finish(self) -> None:
        """Wait for a refresh on its way, so that its answer is stored before the program ends: as
        long as a request may take, and its repetition.
        """
        with self._mutex:
            flight = self._flight
            self._woken.set()
        if flight is not None and not flight.asking:
            wait([flight.future], 2 * self._driver.server.timeout)
