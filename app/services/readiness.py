"""Whether this host may serve: database, clock, schema and signing key."""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.core.keyring import MARGIN
from app.services.keystore import UnavailableError
from app.services.runtime import Runtime
from app.store import schema
from app.store.base import database_now, is_writable

LARGEST_SKEW = 2_000
"""Milliseconds between this host's clock and the database's: the grace window needs one time."""


@dataclass(frozen=True, slots=True)
class Check:
    """`why` is empty when the check passed."""

    name: str
    why: str = ""

    @property
    def ok(self) -> bool:
        return not self.why


def checks(run: Runtime) -> list[Check]:
    return [*_database(run), _signing_key(run), _issuer(run)]


def _database(run: Runtime) -> list[Check]:
    try:
        with run.rotations.connect() as connection:
            writable = Check("database", "" if is_writable(connection) else "read-only")
            return [writable, clock(run, connection), migrations(connection)]
    except SQLAlchemyError as error:
        return [Check("database", str(error).splitlines()[0])]


def may_work(run: Runtime) -> bool:
    """Whether this host's clock is good enough for work that has consequences for the others: one that
    is far ahead would turn keys over and destroy those that the others sign with.
    """
    with run.rotations.connect() as connection:
        return abs(database_now(connection) - run.system_now()) <= MARGIN


def clock(run: Runtime, connection: Connection) -> Check:
    skew = abs(database_now(connection) - run.system_now())
    late = f"{skew} ms apart from the database host" if skew > LARGEST_SKEW else ""
    return Check("clock", late)


def migrations(connection: Connection) -> Check:
    behind = "" if schema.is_current(connection) else "run `perennial db upgrade`"
    return Check("migrations", behind)


def _signing_key(run: Runtime) -> Check:
    try:
        run.signer()
        run.ring()
    except (UnavailableError, SQLAlchemyError) as error:
        return Check("signing_key", str(error).splitlines()[0])
    return Check("signing_key")


def _issuer(run: Runtime) -> Check:
    return Check("issuer", "" if run.settings.issuer else "PERENNIAL_ISSUER is not set")
