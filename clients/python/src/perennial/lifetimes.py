"""How long an access token is good, by two clocks that may both be wrong."""

from enum import Enum
from typing import NamedTuple

from perennial.clock import Clock
from perennial.record import Record

SKEW = 300.0
MARGIN = 10.0
TOLERANCE = 5.0


class Freshness(Enum):
    """STALE: good, and time to get the next one. DUE: hardly good any more. EXPIRED: no good."""

    FRESH = 0
    STALE = 1
    DUE = 2
    EXPIRED = 3


class Held(NamedTuple):
    """A record in memory, and how old its tokens were at a moment of both clocks."""

    record: Record
    age: float
    monotonic: float
    wall: float

    def age_at(self, clock: Clock) -> float:
        """By whichever clock saw more time pass: one of them may have been set back, or asleep."""
        passed = max(clock.monotonic() - self.monotonic, clock.wall() - self.wall)
        return self.age + passed

    def left_at(self, clock: Clock) -> float | None:
        """Seconds of the access token that are left; None when nobody said how long it lives."""
        lifetime = self.record.lifetime
        return None if lifetime is None else lifetime - self.age_at(clock)

    def freshness(self, clock: Clock, skew: float) -> Freshness:
        """`skew`: how many seconds before the expiry a refresh begins, at most half the lifetime."""
        if self.record.access_token is None:
            return Freshness.EXPIRED
        left, lifetime = self.left_at(clock), self.record.lifetime
        if left is None or lifetime is None:
            return Freshness.FRESH
        if left <= 0:
            return Freshness.EXPIRED
        if left <= min(MARGIN, lifetime / 10):
            return Freshness.DUE
        return Freshness.STALE if left <= min(skew, lifetime / 2) else Freshness.FRESH


def hold(record: Record, clock: Clock, *, at_most: float | None = None) -> Held:
    """A token from the future was issued before the clock was set back: nobody knows when, so that
    it counts as expired. Unless something is known of its age: `at_most`, in seconds; then it was
    another host that issued it, whose clock is ahead.
    """
    age, wall = clock.wall() - record.issued_at, clock.wall()
    if at_most is not None:
        age = min(age, at_most)
    elif age < -TOLERANCE:
        age = record.lifetime or 0.0
    return Held(record, max(age, 0.0), clock.monotonic(), wall)
