"""Migrations: up, down and up again on both systems, and the models say what the tables are."""

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, inspect

from app.store import schema
from app.store.base import Base
from tests.site import Site

TABLES = {
    "alembic_version",
    "alerts",
    "audit",
    "authorization_codes",
    "authorization_requests",
    "browser_sessions",
    "clients",
    "consents",
    "denied_tokens",
    "device_authorizations",
    "endings",
    "leases",
    "secret_ids",
    "sessions",
    "signing_keys",
    "status_lists",
    "users",
}


@pytest.fixture
def empty(database_url, tmp_path):
    """A site on a database that nobody has migrated."""
    made = Site(database_url, tmp_path / "keys")
    yield made
    made.close()


def tables(site) -> set[str]:
    return set(inspect(site.run.rotations).get_table_names())


def revision(site) -> str | None:
    with site.run.rotations.connect() as connection:
        return schema.present(connection)


def upgrade(site):
    with site.app.app_context():
        flask_migrate.upgrade()


def downgrade(site):
    with site.app.app_context():
        flask_migrate.downgrade(revision="base")


def test_a_database_goes_up_down_and_up_again(empty):
    assert revision(empty) is None
    upgrade(empty)
    assert tables(empty) == TABLES
    first = described(empty)
    assert revision(empty) == schema.wanted()
    upgrade(empty)
    assert revision(empty) == schema.wanted(), "a second upgrade has nothing to do"
    downgrade(empty)
    assert tables(empty) == {"alembic_version"}
    assert revision(empty) is None
    upgrade(empty)
    assert described(empty) == first
    empty.run.ceremony().establish(empty.clock())
    empty.user()
    assert empty.sign_in(empty.client())["token_type"] == "Bearer"


def described(site) -> dict[str, object]:
    inspector = inspect(site.run.rotations)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            sorted(str(index["name"]) for index in inspector.get_indexes(table)),
            sorted(str(f["constrained_columns"]) for f in inspector.get_foreign_keys(table)),
        )
        for table in sorted(TABLES)
    }


def test_the_migrations_make_the_tables_that_the_models_describe(any_site):
    with any_site.run.transactions.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_both_systems_get_the_same_columns(sqlite_template, postgresql_template):
    described = []
    for template in (sqlite_template, postgresql_template):
        engine = create_engine(template.database_url)
        inspector = inspect(engine)
        described.append(
            {
                table: [(c["name"], c["nullable"]) for c in inspector.get_columns(table)]
                for table in TABLES
            }
        )
        engine.dispose()  # the template must be free to be copied
    assert described[0] == described[1]


def test_a_secret_that_was_active_before_became_so_when_it_was_made(empty):
    """Up from the first revision with data, down again, and up."""
    with empty.app.app_context():
        flask_migrate.upgrade(revision="0001")
    with empty.run.transactions.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO secret_ids (id, state, created_at)"
            " VALUES (1, 'retired', 11), (2, 'known', 12), (3, 'active', 13)"
        )
    for _ in range(2):
        upgrade(empty)
        with empty.run.rotations.connect() as connection:
            query = "SELECT id, state, created_at, activated_at FROM secret_ids ORDER BY id"
            rows = connection.exec_driver_sql(query).all()
        assert [tuple(row) for row in rows] == [
            (1, "retired", 11, None),
            (2, "known", 12, None),
            (3, "active", 13, 13),
        ]
        with empty.app.app_context():
            flask_migrate.downgrade(revision="0001")
    assert revision(empty) == "0001"


@pytest.mark.parametrize("table", ["users", "device_authorizations"])
def test_a_failed_migration_leaves_the_database_as_it_was(empty, table):
    """All revisions are one transaction, on SQLite too, so that no other migrator gets in between."""
    with empty.run.transactions.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (id INTEGER)")
    with pytest.raises(Exception, match="already exists"):
        upgrade(empty)
    assert tables(empty) == {table}
    assert revision(empty) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_migrator_waits_longer_for_others_than_a_request_would(empty):
    patience = set()

    @event.listens_for(empty.run.transactions, "before_cursor_execute")
    def note(connection, *_):
        driver = connection.connection.driver_connection
        patience.add(driver.execute("PRAGMA busy_timeout").fetchone()[0])

    upgrade(empty)
    assert patience == {600_000}
    patience.clear()
    with empty.run.transactions.begin():
        assert patience == {5_000}
