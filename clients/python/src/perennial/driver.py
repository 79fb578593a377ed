"""Carries out the steps of a flow, with a store and a server."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, TypeVar

from perennial import flow
from perennial.clock import Clock
from perennial.errors import StorageError
from perennial.flow import Pause, Read, Send, Step, Steps, Swap
from perennial.record import Record, read
from perennial.server import Server
from perennial.store import Kept, Store, Withheld, calling, locking

T = TypeVar("T")
PATIENCE = 10.0
"""How many seconds a refresh waits for the store's lock: longer than any request may take."""


class Driver:
    def __init__(self, store: Store, server: Server, clock: Clock) -> None:
        self._store, self.server, self._clock = store, server, clock
        self._never = Event()

    def run(self, steps: Steps[T]) -> T:
        """Drive them to their end. `StorageError` goes to the step that met it."""
        try:
            step = next(steps)
            while True:
                step = self._advance(steps, step)
        except StopIteration as end:
            value: T = end.value
            return value

    def _advance(self, steps: Steps[T], step: Step) -> Step:
        try:
            done = self._do(step)
        except StorageError as error:
            return steps.throw(error)
        return steps.send(done)

    def refresh(self, known: Record | None, due: Callable[[Record], bool]) -> flow.Outcome | None:
        """One attempt; None when the lock was not to be had and going without it is not safe."""
        seen = self.run(flow.glance(known, due))
        if seen is not None:
            return seen
        if not self.server.is_known:
            self._prepare(known)
        outcome: flow.Outcome | None = None
        try:
            with self.lock(PATIENCE) as locked:
                if locked or self.server.endpoints().replays:
                    outcome = self.run(flow.refresh(known, due, new_key))
        except StorageError:
            # A lock that cannot be given back does not take new tokens with it.
            if outcome is None:
                raise
        return outcome or self.run(flow.glance(known, due))

    def lock(self, timeout: float) -> AbstractContextManager[bool]:
        return locking(self._store.lock, timeout)

    def _prepare(self, known: Record | None) -> None:
        """Meet the server before the lock is taken: others wait for one request at most."""
        there = self.run(flow.look()) or known
        if there is not None and there.active:
            self.server.endpoints()

    def _do(self, step: Step) -> Any:  # noqa: ANN401  # each step has an answer of its own
        match step:
            case Read(partly):
                kept = self._read(partly=partly)
                return None if kept is None else read(kept, self.server.owner)
            case Swap(expected, record):
                with calling("swap"):
                    return self._store.swap(expected, record.kept(self.server.owner))
            case Send(record):
                form = {"grant_type": "refresh_token", "refresh_token": record.refresh_token or ""}
                return self.server.grant(form, key=record.intent)
            case Pause(seconds):
                return self._clock.pause(seconds, self._never)

    def _read(self, *, partly: bool) -> Kept | None:
        try:
            with calling("read"):
                return self._store.read()
        except Withheld as error:
            if not partly:
                raise
            return error.there


def new_key() -> str:
    return os.urandom(24).hex()
