"""What PostgreSQL says when it cannot write a row, in its own words, and what comes of it."""

import pytest
from sqlalchemy import text

from tests.faults.scenes import World, is_reused, rotates, stage
from tests.site import PASSWORD

OUTAGES = {
    "read_only_sql_transaction": "25006",
    "serialization_failure": "40001",
    "deadlock_detected": "40P01",
    "disk_full": "53100",
    "out_of_memory": "53200",
    "too_many_connections": "53300",
    "lock_not_available": "55P03",
    "query_canceled": "57014",
    "admin_shutdown": "57P01",
    "cannot_connect_now": "57P03",
    "system_error": "58000",
    "io_error": "58030",
}
DEFECTS = {"check_violation": "23514", "internal_error": "XX000", "data_corrupted": "XX001"}
FAIL = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = current_setting('faults.state'); END $$;
CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON sessions EXECUTE FUNCTION fail();
"""


@pytest.fixture
def world(make_postgresql_site):
    return World(make_postgresql_site(), make_postgresql_site())


def failing(world: World, state: str):
    """Writing sessions fails with this state until the trigger is dropped."""
    statements = FAIL.replace("current_setting('faults.state')", f"'{state}'")
    with world.other.run.transactions.begin() as connection:
        connection.execute(text(statements))


def mended(world: World) -> None:
    with world.other.run.transactions.begin() as connection:
        connection.execute(text("DROP FUNCTION fail() CASCADE"))


def test_an_outage_in_the_words_of_postgresql_asks_to_come_again_and_consumes_nothing(world):
    for name, state in OUTAGES.items():
        rotation, reuse = stage(world, rotates), stage(world, is_reused)
        failing(world, state)
        sign_in = world.site.token(
            world.client, grant_type="password", username="alice", password=PASSWORD
        )
        for answer in (rotation.request()(), reuse.request()(), sign_in):
            assert answer.status_code == 503, f"{name}: {answer.text}"
            assert int(answer.headers["Retry-After"]) >= 1
        mended(world)
        assert rotation.request()().status_code == 200, name
        assert reuse.row()["audit"] == [], name
        assert reuse.request()().json["reason"] == "session_reused"
        assert reuse.row()["audit"] == ["reuse_detected"]


def test_a_defect_of_the_database_is_no_verdict_on_the_token(world):
    for name, state in DEFECTS.items():
        rotation = stage(world, rotates)
        failing(world, state)
        answer = rotation.request()()
        assert (answer.status_code, answer.json["error"]) == (500, "server_error"), name
        mended(world)
        assert rotation.request()().status_code == 200, name
