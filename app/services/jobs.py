"""Background work. Of all processes of all hosts one is elected by a lease in the database and does
it; when that one is gone, another takes over within `LEASE`. A job may still run twice at the same
moment, when a lease runs out under a holder that was only slow: it has to bear that. Times here are
those of the system: nobody moves that clock.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.core.events import DatabaseUnavailable
from app.services.runtime import Runtime
from app.store import leases

NAME = "jobs"
LEASE = 15_000
RENEWED = 5_000
PAUSE = 1.0
"""Seconds between two rounds."""
SECOND_TRY = 30_000
"""After a failure: what ails a job is seldom cured within a second."""


def always(_: Runtime) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Job:
    """`work` is called at most once in `every` milliseconds, where `wanted` says it has a point."""

    name: str
    every: int
    work: Callable[[Runtime], None]
    wanted: Callable[[Runtime], bool] = always


class Worker:
    """The background work of one process. Not shared between threads. A host that is not `fit` is not
    elected, and asked again later.
    """

    def __init__(
        self, run: Runtime, jobs: Sequence[Job], fit: Callable[[Runtime], bool] = always
    ) -> None:
        self._run = run
        self._fit = fit
        self._jobs = [job for job in jobs if job.wanted(run)]
        self._holder = secrets.token_hex(16)
        self._next_try = 0
        self._elected_until = 0
        self._done_at: dict[str, int] = {}
        self._failed_at: dict[str, int] = {}

    def start(self) -> None:
        """A thread that ends with the process; none when there is nothing to do."""
        if self._jobs:
            threading.Thread(target=self.work, name="jobs", daemon=True).start()

    def work(self, stop: threading.Event | None = None) -> None:
        stop = stop or threading.Event()
        while not stop.wait(PAUSE):
            self.round()
        self.resign()

    def round(self) -> bool:
        """Do what is due, if this process is the one; a job that fails is tried again later."""
        try:
            if not self._elected():
                return False
        except SQLAlchemyError as error:
            why = str(error).splitlines()[0]
            self._run.telemetry.publish([DatabaseUnavailable(why=f"jobs: {why}")])
            return False
        for job in self._jobs:
            self._do(job)
        return True

    def resign(self) -> None:
        if self._elected_until:
            with self._run.rotations.connect() as connection:
                leases.release(connection, NAME, self._holder)
            self._elected_until = self._next_try = 0

    def _elected(self) -> bool:
        """The lease is renewed long before it ends; whoever has none asks as rarely."""
        now = self._run.system_now()
        if not now < self._next_try <= now + RENEWED:
            held = self._fit(self._run) and self._hold(now)
            self._elected_until = now + LEASE if held else 0
            self._next_try = now + RENEWED
        return now < self._elected_until

    def _hold(self, now: int) -> bool:
        with self._run.rotations.connect() as connection:
            return leases.hold(connection, NAME, self._holder, now, now + LEASE)

    def _do(self, job: Job) -> None:
        now = self._run.system_now()
        if 0 <= now - self._done_at.get(job.name, -job.every) < job.every:
            return
        if 0 <= now - self._failed_at.get(job.name, -SECOND_TRY) < SECOND_TRY:
            return
        self._done_at[job.name] = now
        try:
            job.work(self._run)
        except Exception as error:  # noqa: BLE001  # one job must not end the others
            self._failed_at[job.name] = now
            self._run.telemetry.failure(f"job_failed: {job.name}", error)
