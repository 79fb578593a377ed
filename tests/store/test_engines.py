"""The two engines: what each promises about disks, locks and waiting is in force on both systems."""

import threading

import pytest
from sqlalchemy import insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from app import system_clock
from app.store.base import database_now, durable_statement
from app.store.sessions import SessionRow
from app.store.users import UserRow
from tests.servers import wait_until

PERSON = {
    "id": "u1",
    "username": "alice",
    "password_hash": "a hash that nobody else needs to see",
    "auth_epoch": 0,
    "created_at": 1,
}


def pragmas(engine) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    reading = engine.execution_options(isolation_level="AUTOCOMMIT")
    with reading.connect() as one, reading.connect() as another:
        found = [
            {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}
            for connection in (one, another)
        ]
    assert found[0] == found[1], "every connection of the pool is prepared, not only the first"
    return found[0]


def test_sqlite_keeps_a_log_waits_five_seconds_and_syncs_what_must_last(make_sqlite_site):
    run = make_sqlite_site().run
    common = {"journal_mode": "wal", "busy_timeout": 5000, "foreign_keys": 1}
    assert pragmas(run.transactions) == {**common, "synchronous": 2}, "FULL"
    assert pragmas(run.rotations) == {**common, "synchronous": 1}, "NORMAL"


def test_postgresql_waits_for_the_disk_only_where_it_must(make_postgresql_site):
    run = make_postgresql_site().run
    limits = {
        "lock_timeout": "5s",
        "statement_timeout": "10s",
        "idle_in_transaction_session_timeout": "10s",
    }
    for engine, commit in ((run.transactions, "on"), (run.rotations, "off")):
        with engine.connect() as connection:
            shown = {
                name: connection.execute(text(f"SHOW {name}")).scalar_one()
                for name in (*limits, "synchronous_commit")
            }
        assert shown == {**limits, "synchronous_commit": commit}


def test_a_rotation_is_one_statement_that_is_committed_when_it_returns(any_site):
    with any_site.run.rotations.connect() as connection:
        connection.execute(insert(UserRow).values(**PERSON))
        assert names(any_site.run.transactions) == ["alice"]


def test_a_durable_statement_is_committed_when_it_returns(any_site):
    with durable_statement(any_site.run.transactions) as connection:
        connection.execute(insert(UserRow).values(**PERSON))
        assert names(any_site.run.rotations) == ["alice"]


def test_a_transaction_that_fails_leaves_nothing_also_after_a_durable_statement(any_site):
    """The connection goes back to the pool and must forget that it committed by itself."""
    run = any_site.run
    for _ in range(3):
        with durable_statement(run.transactions) as connection:
            connection.execute(select(UserRow.id)).all()
    with pytest.raises(IntegrityError):
        insert_twice(run.transactions)
    assert names(run.rotations) == []


def insert_twice(engine):
    with engine.begin() as connection:
        connection.execute(insert(UserRow).values(**PERSON))
        connection.execute(insert(UserRow).values(**PERSON))


def names(engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(UserRow.username)).scalars())


def test_writers_on_sqlite_queue_instead_of_failing_on_what_they_read_before(make_sqlite_site):
    """BEGIN IMMEDIATE: read and write under one lock. A deferred transaction would be refused."""
    run = make_sqlite_site().run
    with run.transactions.begin() as connection:
        connection.execute(insert(UserRow).values(**PERSON))
    failures: list[Exception] = []

    def count_up():
        try:
            for _ in range(10):
                with run.transactions.begin() as connection:
                    seen = connection.execute(select(UserRow.auth_epoch)).scalar_one()
                    connection.execute(update(UserRow).values(auth_epoch=seen + 1))
        except Exception as error:  # noqa: BLE001  # shown below
            failures.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with run.rotations.connect() as connection:
        assert connection.execute(select(UserRow.auth_epoch)).scalar_one() == 40


def test_a_second_writer_on_sqlite_waits_for_the_first(make_sqlite_site):
    run = make_sqlite_site().run
    began, done = threading.Event(), threading.Event()

    def second():
        began.set()
        with run.transactions.begin() as connection:
            connection.execute(update(UserRow).values(auth_epoch=UserRow.auth_epoch + 1))
        done.set()

    with run.transactions.begin() as connection:
        thread = threading.Thread(target=second)
        thread.start()
        began.wait(5)
        assert not done.wait(0.2), "it wrote while another held the lock"
        connection.execute(insert(UserRow).values(**PERSON))
    thread.join()
    with run.rotations.connect() as connection:
        assert connection.execute(select(UserRow.auth_epoch)).scalar_one() == 1


def test_the_database_says_what_time_it_is(any_site):
    with any_site.run.rotations.connect() as connection:
        before, told, after = system_clock(), database_now(connection), system_clock()
    assert before - 5 <= told <= after + 5


def test_a_session_belongs_to_somebody_and_to_a_client(any_site):
    any_site.user()
    client = any_site.client()
    any_site.sign_in(client)
    run = any_site.run
    with pytest.raises(IntegrityError), run.rotations.connect() as connection:
        connection.execute(update(SessionRow).values(client_id="nobody"))
    with pytest.raises(IntegrityError), run.rotations.connect() as connection:
        connection.execute(update(SessionRow).values(user_id="nobody"))


@pytest.mark.parametrize("engine", ["transactions", "rotations"])
def test_what_was_written_is_never_part_of_an_error(any_site, engine):
    with getattr(any_site.run, engine).connect() as connection:
        connection.execute(insert(UserRow).values(**PERSON))
        with pytest.raises(IntegrityError) as caught:
            connection.execute(insert(UserRow).values(**PERSON))
    assert PERSON["password_hash"] not in str(caught.value)


def test_times_and_durations_are_milliseconds_in_64_bits(any_site):
    inspector = inspect(any_site.run.rotations)
    kinds = {
        f"{table}.{column['name']}": str(column["type"])
        for table in inspector.get_table_names()
        for column in inspector.get_columns(table)
        if column["name"].endswith(("_at", "_until", "_ttl", "_interval", "_age", "_from", "_time"))
        or column["name"] in {"at", "longest_token"}
    }
    assert len(kinds) > 20
    assert set(kinds.values()) == {"BIGINT"}
    any_site.user()
    any_site.sign_in(any_site.client())
    with any_site.run.rotations.connect() as connection:
        stored = connection.execute(select(SessionRow.created_at, SessionRow.rotated_at)).one()
    assert set(stored) == {any_site.clock.now}


# --- what a refresh costs -------------------------------------------------------------------------


def row(site) -> dict[str, object]:
    with site.run.rotations.connect() as connection:
        return dict(connection.execute(text("SELECT * FROM sessions")).mappings().one())


def test_no_index_touches_a_column_that_a_refresh_changes(any_site):
    any_site.user()
    client = any_site.client()
    token = any_site.sign_in(client)["refresh_token"]
    before = row(any_site)
    any_site.clock.advance(seconds=10)
    assert any_site.refresh(client, token, key="a-key-of-one-token-0001").status_code == 200
    after = row(any_site)
    changed = {name for name in after if after[name] != before[name]}
    assert {"gen", "rotated_at", "idle_expires_at", "rotation_key_hash"} <= changed
    inspector = inspect(any_site.run.rotations)
    indexed = set(inspector.get_pk_constraint("sessions")["constrained_columns"])
    for found in (
        inspector.get_indexes("sessions"),
        inspector.get_unique_constraints("sessions"),
    ):
        indexed |= {name for entry in found for name in entry["column_names"]}
    assert {"sid", "public_id", "user_id", "client_id", "purge_at", "revoked_at"} <= indexed
    assert changed & indexed == set()


def test_postgresql_updates_a_refreshed_row_in_place(make_postgresql_site):
    site = make_postgresql_site()
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    for _ in range(60):
        site.clock.advance(seconds=10)
        token = site.refresh(client, token).json["refresh_token"]
    site.close()  # a connection that ends tells its figures

    def figures():
        query = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname='sessions'"
        with site.run.transactions.connect() as connection:
            updates, in_place = connection.execute(text(query)).one()
        return (updates, in_place) if updates >= 60 else None

    assert wait_until(figures, "the figures of 60 refreshes") == (60, 60)


def test_postgresql_leaves_room_in_each_page_for_the_next_version_of_a_row(make_postgresql_site):
    with make_postgresql_site().run.rotations.connect() as connection:
        query = text("SELECT reloptions FROM pg_class WHERE relname = 'sessions'")
        assert connection.execute(query).scalar_one() == ["fillfactor=75"]
