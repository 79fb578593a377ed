"""Which migration the database is at, and which one the code wants."""

from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parents[2] / "migrations"


@cache
def wanted() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def present(connection: Connection) -> str | None:
    """The revision of this database; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def is_current(connection: Connection) -> bool:
    return present(connection) == wanted()
