"""Where requests wait: for a while, or until a test lets them go."""

import threading

LONGEST = 30.0


class Gate:
    """All waits end at `close`, and none is longer than 30 seconds."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = 0
        self._releases = 0
        self._closed = False

    def pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, min(seconds, LONGEST))

    def hold(self) -> None:
        """Wait for the next `release`."""
        with self._changed:
            before = self._releases
            self._held += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._releases > before, LONGEST)
            if self._releases == before:
                self._held -= 1

    def release(self) -> None:
        with self._changed:
            self._releases += 1
            self._held = 0
            self._changed.notify_all()

    def await_held(self, count: int, timeout: float) -> bool:
        """Wait until that many requests are held; False if they never were."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held >= count, min(timeout, LONGEST))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
