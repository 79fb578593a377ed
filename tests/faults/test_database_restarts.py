"""The database ends without a word under running refreshes, and comes back: nobody is signed out."""

import contextlib
import sqlite3

import pytest

from tests.faults.outside import asks_to_come_again, refreshed
from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.flows.loops import refreshing, wait_for_progress
from tests.live import LiveServer
from tests.scale import record, scaled
from tests.servers import PostgreSQL

CRASHES, POWER_CUTS = scaled((2, 1), (12, 12))
SESSIONS = 4
FRAME = 24 + 4096


@pytest.fixture
def cluster():
    server = PostgreSQL()
    yield server
    server.stop()


def healed(server: LiveServer) -> int:
    return server.log_text().count("refresh_healed")


def nobody_was_signed_out(refreshers) -> None:
    for refresher in refreshers:
        assert refresher.is_signed_in(), refresher.refused
        assert refresher.generation == refresher.answered + 1, "one generation for each answer"


@pytest.mark.proof
def test_postgresql_stopped_immediately_and_started_again_loses_no_session(cluster, tmp_path):
    with LiveServer(tmp_path, workers=2, database_url=cluster.create_database()) as server:
        crash(cluster, server)


def crash(cluster: PostgreSQL, server: LiveServer) -> None:
    account = enrol(server)
    caller = Caller(account)
    token = caller.sign_in()["refresh_token"]
    caller.close()
    with refreshing(account, SESSIONS) as refreshers:
        for _ in range(CRASHES):
            wait_for_progress(refreshers, 3)
            cluster.crash()
            for _ in range(SESSIONS):
                assert asks_to_come_again(refreshed(account, token))
            cluster.start()
            wait_for_progress(refreshers, 3)
    assert refreshed(account, token).status_code == 200
    nobody_was_signed_out(refreshers)
    record(
        "database restarts",
        "postgresql, immediate",
        {
            "crashes": CRASHES,
            "refreshes": sum(refresher.answered for refresher in refreshers),
            "healed": healed(server),
        },
    )


@pytest.mark.proof
def test_sqlite_whose_log_lost_its_end_in_a_power_cut_loses_no_session(tmp_path):
    """A rotation need not be on the disk when it is answered; its token restores it (R8)."""
    with LiveServer(tmp_path, workers=2) as server:
        with refreshing(enrol(server), SESSIONS) as refreshers:
            for _ in range(POWER_CUTS):
                with contextlib.closing(sqlite3.connect(tmp_path / "perennial.db")) as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                wait_for_progress(refreshers, 5)
                server.kill()
                log = tmp_path / "perennial.db-wal"
                frames = (log.stat().st_size - 32) // FRAME
                assert frames > 0, "something was left behind"
                with log.open("r+b") as file:
                    file.truncate(32 + frames // 2 * FRAME + FRAME // 3)
                server.start()
                wait_for_progress(refreshers, 5)
        nobody_was_signed_out(refreshers)
        assert healed(server) > 0, "rotations were lost"
        figures = {
            "power_cuts": POWER_CUTS,
            "refreshes": sum(refresher.answered for refresher in refreshers),
            "healed": healed(server),
        }
        record("database restarts", "sqlite, end of the log lost", figures)
