"""Forgetting what devices asked for long ago."""

from app.core.sessions import SECOND
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import device_authorizations


def purge(run: Runtime) -> None:
    with run.rotations.connect() as connection:
        device_authorizations.forget(connection, run.now())


PURGE = Job("purge_device_authorizations", every=60 * SECOND, work=purge)
