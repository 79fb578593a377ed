"""When to try again after an answer that settled nothing."""

import os
from typing import NamedTuple

from perennial.errors import SessionError

SHORTEST, LONGEST = 0.5, 30.0


class Trouble(NamedTuple):
    """Why there is no new token yet. `reached`: the server may have done its part; `wait`: what it
    asked for, in seconds.
    """

    error: SessionError
    reached: bool = False
    wait: float | None = None

    def pause(self, attempt: int, *, replays: bool) -> float:
        """Seconds until attempt number `attempt` + 1. What may have been lost on its way back is
        asked for again at once, where the server repeats it.
        """
        if self.wait is not None:
            return self.wait
        if attempt == 1 and self.reached and replays:
            return 0.0
        return jitter() * min(LONGEST, SHORTEST * 2.0 ** min(attempt, 10))


def jitter() -> float:
    """From 0 to 1, and another one in each process, forked or not."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
