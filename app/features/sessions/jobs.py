"""Forgetting what is long over: rows of sessions, and access tokens that were denied."""

from app.core.events import SessionsPurged
from app.core.sessions import SECOND
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import denied_tokens, sessions

MINUTE = 60 * SECOND


def purge(run: Runtime) -> None:
    """A batch for each transaction, so that nobody waits long for a lock. A session that is idle
    stays to its absolute end: a token ahead of its row may still revive it (R8).
    """
    now, total = run.now(), 0
    with run.transactions.begin() as connection:
        denied_tokens.forget(connection, now)
    while True:
        with run.transactions.begin() as connection:
            gone = sessions.purge(connection, now)
        if not gone:
            break
        total += gone
    if total:
        run.telemetry.publish([SessionsPurged(total)])


PURGE = Job("purge_sessions", every=MINUTE, work=purge)
