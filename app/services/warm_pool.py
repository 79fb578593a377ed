"""Threads for gunicorn's worker, the one that was busy last being the first to get work.

The standard library's pool lets idle threads wait at one queue: every piece of work wakes a second
thread for nothing, and takes turns through all of them. Here each waits at a lock of its own. The
thread that gets the work still has its stack and data in the processor's cache, and nobody else is
woken; `make bench` measures a refresh behind gunicorn with it.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

Work = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class WarmPool(Executor):
    """At most `threads` at once; further work waits its turn. Threads start when first needed."""

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._started: list[_Thread] = []
        self._idle: list[_Thread] = []
        self._waiting: deque[Work] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":  # noqa: ANN401
        future: Future[Any] = Future()
        work = (future, fn, args, kwargs)
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._idle:
                self._idle.pop().give(work)
            elif len(self._started) < self._most:
                self._started.append(_Thread(self, work))
                self._started[-1].start()
            else:
                self._waiting.append(work)
        return future

    def rest(self, thread: "_Thread") -> None:
        """Give a thread that is done the next work, its end, or a place among the idle."""
        with self._lock:
            if self._waiting:
                thread.give(self._waiting.popleft())
            elif self._closed:
                thread.give(None)
            else:
                self._idle.append(thread)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """No more work; what was accepted is finished, unless it is cancelled."""
        with self._lock:
            self._closed = True
            while cancel_futures and self._waiting:
                self._waiting.popleft()[0].cancel()
            idle, self._idle = self._idle, []
            for thread in idle:
                thread.give(None)
        for thread in self._started if wait else ():
            thread.join()


class _Thread(threading.Thread):
    def __init__(self, pool: WarmPool, work: Work) -> None:
        super().__init__(daemon=True)
        self._pool = pool
        self._given: Work | None = work
        self._called = threading.Lock()
        self._called.acquire()

    def give(self, work: Work | None) -> None:
        """Call the thread to work, or with None to its end. Only for one that rests."""
        self._given = work
        self._called.release()

    def run(self) -> None:
        while self._given is not None:
            _carry_out(*self._given)
            self._pool.rest(self)
            self._called.acquire()


def _carry_out(
    future: "Future[Any]", fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001  # it belongs to whoever holds the future
        future.set_exception(error)
    else:
        future.set_result(result)
