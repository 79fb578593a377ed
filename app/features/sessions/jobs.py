"""Marking the sessions that an interrupted log-out has ended and left unmarked."""

from app.core.sessions import SECOND
from app.protocol import sign_out
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import endings

UNDISTURBED = 30 * SECOND
"""How long whoever ended the sessions may take to mark them before somebody else does it too."""


def finish(run: Runtime) -> None:
    with run.rotations.connect() as connection:
        left_over = endings.left_over(connection, run.now() - UNDISTURBED + 1)
    for ending in left_over:
        _, events = sign_out.finish(run, ending)
        run.telemetry.publish(events)


FINISH = Job("finish_endings", every=5 * SECOND, work=finish)
