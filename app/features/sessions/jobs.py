"""Marking the sessions that an interrupted log-out has ended and left unmarked, and forgetting what is
long over: rows of sessions, and access tokens that were denied.
"""

from app.core.events import SessionsPurged
from app.core.sessions import SECOND
from app.protocol import sign_out
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import denied_tokens, endings, sessions

MINUTE = 60 * SECOND
UNDISTURBED = 30 * SECOND
"""How long whoever ended the sessions may take to mark them before somebody else does it too."""


def finish(run: Runtime) -> None:
    with run.rotations.connect() as connection:
        left_over = endings.left_over(connection, run.now() - UNDISTURBED + 1)
    for ending in left_over:
        _, events = sign_out.finish(run, ending)
        run.telemetry.publish(events)


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


FINISH = Job("finish_endings", every=5 * SECOND, work=finish)
PURGE = Job("purge_sessions", every=MINUTE, work=purge)
