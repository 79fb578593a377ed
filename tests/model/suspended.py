"""A call in a thread of its own that stops before every statement on sessions but its first.

Only one thread of all runs at a time: whoever lets a call go on waits until it stops again.
"""

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

HUNG = 60  # seconds after which something that should happen never will
LOOK, SWAP, END = "look", "swap", "end"

_here = threading.local()


class Statements:
    """The statements of a call that runs through, in this thread."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.seen: list[str] = []
        _here.call = self
        try:
            self.result = call()
        finally:
            _here.call = None

    def meet(self, kind: str) -> None:
        self.seen.append(kind)


class Suspended:
    """`waits_for` is the statement that comes next; None when the call has ended."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.seen: list[str] = []
        self.waits_for: str | None = None
        self.result: Any = None
        self._problem: BaseException | None = None
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()
        self._wait()

    def step(self) -> None:
        """Let the statement be carried out, and everything up to the next."""
        self.waits_for = None
        self._go.release()
        self._wait()

    def meet(self, kind: str) -> None:
        if self.seen:
            self.waits_for = kind
            self._stopped.release()
            assert self._go.acquire(timeout=HUNG), "a suspended call was forgotten"
        self.seen.append(kind)

    def _run(self, call: Callable[[], Any]) -> None:
        _here.call = self
        try:
            self.result = call()
        except BaseException as problem:  # noqa: BLE001  # handed to the thread that asked
            self._problem = problem
        self._stopped.release()

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=HUNG), "a call neither stops nor ends"
        if self.waits_for is None:
            self._thread.join(HUNG)
            if self._problem is not None:
                raise self._problem


def watch(rotations: Any, transactions: Any) -> None:
    """Report what a call does on sessions: reads and swaps, and the transaction that ends one.

    That transaction is met before it begins, so that no lock is held meanwhile.
    """

    def on_rotations(connection, cursor, statement, *_):
        call = getattr(_here, "call", None)
        if call is not None and statement.startswith("UPDATE sessions"):
            call.meet(SWAP)
        elif call is not None and "FROM sessions" in statement:
            call.meet(LOOK)

    def on_transactions(connection, cursor, statement, *_):
        call = getattr(_here, "call", None)
        if call is not None and END not in call.seen:
            call.meet(END)

    event.listen(rotations, "before_cursor_execute", on_rotations)
    event.listen(transactions, "before_cursor_execute", on_transactions)
