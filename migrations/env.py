"""How Alembic reaches our database: through Flask-SQLAlchemy, one migrator at a time."""

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

LOCK = 7_309_851_164  # any number nobody else uses for an advisory lock
PATIENCE = 600_000
"""How long a migrator on SQLite waits for others, in milliseconds."""


def run() -> None:
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        _wait_for_others(connection)
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        context.run_migrations()
        connection.commit()
        connection.invalidate()  # nobody else is to be as patient


def _wait_for_others(connection: Connection) -> None:
    """Begin the transaction that all revisions share; several servers may start at once.

    Alembic would commit each revision on SQLite, and let another migrator in between, if it found
    no transaction open. Migrations may take minutes.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET statement_timeout = 0; SET lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        return
    connection.connection.driver_connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")
    connection.begin()


run()
