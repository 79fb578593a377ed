"""How Alembic reaches our database: through Flask-SQLAlchemy, one migrator at a time."""

from alembic import context
from flask import current_app
from sqlalchemy import text

LOCK = 7_309_851_164  # any number nobody else uses for an advisory lock


def run() -> None:
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Several hosts may start at once. A session lock, for migrations may take minutes.
            connection.execute(text("SET statement_timeout = 0; SET lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
