"""One flight from its start until it lands: attempts, pauses, and the way back for a person."""

import logging
from collections.abc import Callable, Sequence
from threading import Event

from perennial import events, flow
from perennial.answers import Refused
from perennial.book import Book, State, Verdict
from perennial.clock import Clock
from perennial.driver import Driver
from perennial.entry import Entry
from perennial.errors import (
    ConfigError,
    OfflineError,
    ReauthRequired,
    SessionError,
    SignedOut,
    StorageError,
    Unreachable,
)
from perennial.events import Bell
from perennial.flight import Flight
from perennial.flow import Current, Failed, Outcome, Over, Overtaken, Unstored
from perennial.hangar import Hangar
from perennial.lifetimes import Freshness, Held
from perennial.pace import Pace
from perennial.reauth import Reauthenticator, go_through
from perennial.record import Record
from perennial.retry import Trouble

LOG = logging.getLogger("perennial")


class Pilot:
    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        bell: Bell,
        hangar: Hangar,
        book: Book,
        pace: Pace,
        entry: Entry,
        *,
        skew: float,
        chain: Sequence[Reauthenticator],
    ) -> None:
        self._driver, self._clock, self._bell, self._hangar = driver, clock, bell, hangar
        self._book, self._pace, self._entry = book, pace, entry
        self._skew, self._chain = skew, chain

    def fly(self, flight: Flight) -> None:
        try:
            self._fly(flight)
            self._bell.ring()
            self._entry.pay(flight.owed)
        except Exception:
            LOG.exception("what follows a refresh failed")
        finally:
            flight.landed.set()

    def _fly(self, flight: Flight) -> None:
        verdict: Verdict = SessionError("the refresh failed; the program's own log says how")
        try:
            verdict = self._until_settled(flight)
        except Exception:
            LOG.exception("a refresh failed")
        finally:
            with self._hangar.mutex:
                self._hangar.close(flight)
                if isinstance(verdict, Held) and flight.rejects(verdict.record):
                    # Somebody came to replace it when it had just been settled that it would do.
                    verdict = flight.late()
                if not isinstance(
                    verdict, Held | Unreachable | StorageError | ReauthRequired | SignedOut
                ):
                    self._pace.rest()
                flight.settle(verdict)

    def _until_settled(self, flight: Flight) -> Verdict:
        breath, flight.trouble = self._pace.breath(), self._pace.trouble
        if breath and not self._linger(flight, Trouble(flight.late()), breath):
            return flight.late()
        while True:
            result = self._pace.held_off() or self._attempt(flight)
            if not isinstance(result, Trouble):
                if isinstance(result, Held):
                    self._pace.settled()
                return self._come_back(flight, result)
            self._pace.tries += 1
            flight.trouble = result.error
            pause = result.pause(self._pace.tries, replays=self._driver.server.replays)
            usable = self._bear(flight, result, pause)
            self._bell.ring()
            if pause and (usable is not None or not self._linger(flight, result, pause)):
                return usable or result.error

    def _bear(self, flight: Flight, trouble: Trouble, pause: float) -> Held | None:
        """What can be used all the same."""
        with self._hangar.mutex:
            self._pace.after(trouble, pause)
            held = self._book.held
            if held is not None and not self._serves(held, flight):
                held = None
            if held is not None and trouble.reached and not self._driver.server.replays:
                self._pace.spare(held.left_at(self._clock) or 0)
            if isinstance(trouble.error, StorageError):
                self._book.degraded(str(trouble.error))
            if held is None:
                self._book.offline()
            cause = type(trouble.error).__name__
            self._bell.put(events.RefreshRetry(self._pace.tries, pause, cause))
            return held

    def _serves(self, held: Held, flight: Flight) -> bool:
        expired = held.freshness(self._clock, self._skew) is Freshness.EXPIRED
        return held.record.active and flight.rejected is None and not expired

    def _linger(self, flight: Flight, trouble: Trouble, pause: float) -> bool:
        """Whether to try again for those who wait. Nobody is kept who cannot be served in time."""
        with self._hangar.mutex:
            too_late = trouble.wait is not None and flight.latest < self._clock.monotonic() + pause
            if flight.waiters == 0 or too_late:
                self._hangar.close(flight)
                return False
        self._clock.pause(pause, flight.woken)
        with self._hangar.mutex:
            flight.woken = Event()
            if flight.waiters == 0:
                self._hangar.close(flight)
            return flight.waiters > 0

    def _attempt(self, flight: Flight) -> Verdict | Trouble:
        try:
            settled = self._store_again(flight) or self._restored(flight)
            if settled is not None:
                return settled
            known = self._book.record
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
        return self.take(outcome, flight.owed)

    def _restored(self, flight: Flight) -> Verdict | Trouble | None:
        """What the store holds, if that is all that those who wait at a launch are waiting for."""
        if self._book.held is not None or not flight.waiters:
            return None
        due = {Freshness.DUE, Freshness.EXPIRED}
        there = flow.glance(None, lambda record: self._freshness(record) in due)
        found = self._driver.run(there)
        return None if found is None else self.take(found, flight.owed)

    def _freshness(self, record: Record) -> Freshness:
        return self._book.hold(record).freshness(self._clock, self._skew)

    def _due(self, flight: Flight) -> Callable[[Record], bool]:
        def due(record: Record) -> bool:
            known = self._book.record
            if known is not None and not known.active and not record.newer_than(known):
                return True
            if flight.rejected is not None and not record.newer_than(flight.rejected):
                return True
            fresh = self._freshness(record)
            if record.refresh_token is None:
                return fresh is Freshness.EXPIRED
            return fresh is not Freshness.FRESH

        return due

    def _store_again(self, flight: Flight) -> Verdict | Trouble | None:
        """What the store could not take goes there before anything else; None when it has."""
        waiting = self._book.unstored
        if waiting is None:
            return None
        outcome = self._driver.run(flow.keep(waiting.base, waiting.renewed))
        if isinstance(outcome, Unstored):
            return Trouble(StorageError("the session cannot be stored"))
        with self._hangar.mutex:
            self._book.unstored = None
        taken = self.take(outcome, flight.owed)
        return None if isinstance(taken, Held) else taken

    def take(self, outcome: Outcome | None, owed: set[str]) -> Verdict | Trouble:
        """Into the book; `owed` gets what the server is to be told when nobody waits any more."""
        match outcome:
            case None:
                return Trouble(OfflineError("another process holds the lock of the session"))
            case Current(record, source):
                pass
            case Over(record) | Overtaken(record, _):
                source = "sibling"
            case Unstored(_, record):
                source = "network"
            case Failed(_, why):
                assert not isinstance(why, Refused)
                return Trouble(why.error, why.reached, why.wait)
        owed.update(record.to_revoke)
        with self._hangar.mutex:
            late = self._book.record is not None and self._book.record.newer_than(record)
            if isinstance(outcome, Overtaken) or (isinstance(outcome, Unstored) and late):
                orphan = (
                    outcome.to_revoke if isinstance(outcome, Overtaken) else record.refresh_token
                )
                owed.update({orphan} if orphan and self._entry.revokes else ())
            elif isinstance(outcome, Unstored):
                self._book.unstored = outcome
                self._book.degraded("new tokens could not be stored")
            return self._usable(self._book.take(record, source), source)

    def _usable(self, verdict: Verdict, source: str) -> Verdict | Trouble:
        if source != "sibling" or not isinstance(verdict, Held):
            return verdict
        expired = verdict.freshness(self._clock, self._skew) is Freshness.EXPIRED
        if expired and verdict.record.refresh_token is not None:
            return Trouble(OfflineError("what a sibling had stored has expired"))
        return verdict

    def _come_back(self, flight: Flight, verdict: Verdict) -> Verdict:
        """Through the chain, once for all who wait; nobody is asked while nobody waits."""
        if not isinstance(verdict, ReauthRequired) or not self._chain or not flight.waiters:
            return verdict
        ended = self._book.record or Record()
        self._bell.ring()
        flight.latest, flight.trouble, flight.asking = float("inf"), verdict, True
        with self._entry.chain(ended):
            if go_through(self._chain, verdict.reason, lambda: self._book.state is State.ACTIVE):
                return self._book.held or verdict
        newest = self._entry.give_up(ended)
        with self._hangar.mutex:
            return self._entry.given_up(newest, ended)
