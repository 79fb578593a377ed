"""What this process knows of its session, and what changes in it are worth telling."""

from enum import Enum
from typing import Literal, cast

from perennial import events
from perennial.clock import Clock
from perennial.errors import ReauthRequired, SessionError, SignedOut
from perennial.events import Bell, Initiator
from perennial.flow import Unstored
from perennial.lifetimes import Held, hold
from perennial.record import Record, Standing

NOTICE = 300.0
Source = Literal["network", "sibling", "sign_in"]
Verdict = Held | SessionError


class State(str, Enum):
    """What an application shows. OFFLINE keeps the session, and ends by itself or by `wake()`."""

    RESTORING = "restoring"
    ACTIVE = "active"
    OFFLINE = "offline"
    REAUTH_REQUIRED = "reauth_required"
    SIGNED_OUT = "signed_out"

    def __str__(self) -> str:
        return self.value


class Book:
    """Not for two threads at once: whoever owns it has a mutex."""

    def __init__(self, clock: Clock, bell: Bell) -> None:
        self._clock, self._bell = clock, bell
        self.state = State.RESTORING
        self.held: Held | None = None
        self.unstored: Unstored | None = None
        self._own_sign_out = -1
        self._noticed = -1
        self._seen = clock.monotonic()

    @property
    def record(self) -> Record | None:
        return None if self.held is None else self.held.record

    def hold(self, record: Record) -> Held:
        """With what the monotonic clock knows of these tokens."""
        before = self.held
        if before is None or before.record.epoch != record.epoch:
            return hold(record, self._clock)
        if record.generation > before.record.generation:
            # Issued since we last saw the older one, whatever the clock of another host says.
            return hold(record, self._clock, at_most=self._clock.monotonic() - self._seen)
        return before._replace(record=record)

    def take(self, record: Record, source: Source) -> Verdict:
        """What the store or the server says now. Who signed in or out meanwhile has the last word."""
        before = self.record
        if before is not None and before.newer_than(record):
            record = before
        held = self.hold(record)
        self._seen = self._clock.monotonic()
        return self._use(held, source) if record.active else self._close(held)

    def offline(self) -> None:
        """There is nothing to show to a resource server, and nothing to be had."""
        if self.state is State.ACTIVE and not self._is_good():
            self.state = State.OFFLINE
            self._bell.put(events.Offline())

    def _is_good(self) -> bool:
        left = None if self.held is None else self.held.left_at(self._clock)
        return left is not None and left > 0

    def degraded(self, cause: str) -> None:
        self._bell.put(events.StorageDegraded(cause))

    def sign_out(self, record: Record, initiator: Initiator) -> None:
        """Here, in this process. `record` is what is known of the session from now on."""
        self._own_sign_out = record.epoch
        self.unstored = None
        self.held = hold(record, self._clock)
        self.state = State.SIGNED_OUT
        self._bell.put(events.SignedOut(initiator))

    def notice(self) -> None:
        """Say that the session itself is nearly over: once, unless the end was put off meanwhile."""
        record = self.record
        if record is None or not record.active or record.session_until is None:
            return
        left = record.session_until - self._clock.wall()
        if left > NOTICE:
            self._noticed = -1
        elif self._noticed != record.epoch:
            self._noticed = record.epoch
            self._bell.put(events.SessionExpiring(max(0.0, left)))

    def _use(self, held: Held, source: Source) -> Held:
        before, was, record = self.record, self.state, held.record
        self.held, self.state = held, State.ACTIVE
        signed_in = source == "sign_in" or (before is not None and record.epoch > before.epoch)
        if signed_in:
            self._bell.put(events.SignedIn())
        elif was is State.RESTORING:
            self._bell.put(events.Restored())
        elif was is State.OFFLINE:
            self._bell.put(events.Online())
        renewed = source == "network" or (before is not None and record.newer_than(before))
        if renewed and not signed_in:
            by: Literal["network", "sibling"] = "sibling" if source == "sibling" else "network"
            self._bell.put(events.Refreshed(record.generation, by))
        self.notice()
        return held

    def _close(self, held: Held) -> SessionError:
        was, record = self.state, held.record
        self.held = held
        if record.standing is Standing.ENDED:
            self.state = State.REAUTH_REQUIRED
            reason = record.reason or "unknown"
            if was is not self.state:
                self._bell.put(events.ReauthRequired(reason))
            return ReauthRequired(reason)
        self.state = State.SIGNED_OUT
        initiator = self._initiator(record)
        if was is not self.state and initiator != "nobody":
            self._bell.put(events.SignedOut(initiator))
        return SignedOut(initiator)

    def _initiator(self, record: Record) -> Initiator:
        if record.epoch == 0:
            return "nobody"
        if record.epoch != self._own_sign_out and record.reason == "user":
            return "sibling"
        return cast("Initiator", record.reason)
