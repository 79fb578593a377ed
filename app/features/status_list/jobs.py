"""Dropping the lists that no valid token names any more."""

from app.core.sessions import SECOND
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import status_lists

HOUR = 3600 * SECOND
"""Also how long ago the last place of a list was given: its session is stored by then or never."""


def drop(run: Runtime) -> None:
    now = run.now()
    with run.transactions.begin() as connection:
        status_lists.drop_finished(connection, now, settled=now - HOUR)


DROP = Job("drop_status_lists", every=HOUR, work=drop)
