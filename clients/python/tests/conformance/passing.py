"""Time as scenarios have it: the real one, and what their steps add to it."""

import time

from perennial.clock import SystemClock

SECONDS = 5.0
TICK = 0.005


class PassingClock(SystemClock):
    """`ahead`: seconds that a step let pass, on both clocks; `set_by`: on the wall clock alone."""

    def __init__(self, ahead=0.0, set_by=0.0):
        self.ahead, self.set_by = ahead, set_by

    def wall(self):
        return super().wall() + self.ahead + self.set_by

    def monotonic(self):
        return super().monotonic() + self.ahead

    def pause(self, seconds, until):
        due = self.monotonic() + seconds
        while (left := due - self.monotonic()) > 0 and not until.wait(min(left, TICK)):
            pass


def eventually(check, seconds=SECONDS):
    """Try until it raises nothing any more; then as it raised."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(TICK)
