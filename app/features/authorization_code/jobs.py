"""Forgetting what people began in a browser long ago: requests, codes, sign-ins."""

from app.core.sessions import SECOND
from app.services.jobs import Job
from app.services.runtime import Runtime
from app.store import authorizations, browser_sessions


def purge(run: Runtime) -> None:
    now = run.now()
    with run.transactions.begin() as connection:
        authorizations.forget(connection, now)
        browser_sessions.forget(connection, now)


PURGE = Job("purge_authorizations", every=60 * SECOND, work=purge)
