"""The promise of docs/rotation.md against any sequence of events, on the rules alone, on SQLite
and on PostgreSQL in lockstep. The invariants are named in `invariants.py`.
"""

import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from app.core.rotation import Rule
from app.core.sessions import SECOND
from tests import scale
from tests.model.lanes import ServerLane, set_secret_ids
from tests.model.lockstep import EVERY_CLIENT, HELD_AT_FIRST, SECRETS, Lockstep
from tests.model.machine import Machine
from tests.site import STARTED, Site

LENGTH = 50
LIFETIMES = {"refresh_idle_ttl": 600, "session_ttl": 2000, "access_token_ttl": 300}


@pytest.fixture
def make_world(sqlite_template, postgresql_template, postgresql, tmp_path):
    """Two hosts on each database, with directories and secrets of their own."""
    file = tmp_path / "model.db"
    shutil.copyfile(sqlite_template.database_url.removeprefix("sqlite:///"), file)
    url = postgresql.create_database(like=postgresql_template.database_url)
    lanes = []

    def lane(name, url, template, window):
        hosts = []
        for number in range(len(HELD_AT_FIRST)):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            keys = template.copy_keys(folder)
            hosts.append(Site(url, keys, reuse_grace=window // SECOND, **LIFETIMES))
        lanes.append(ServerLane(name, hosts))
        set_secret_ids(lanes[-1], SECRETS, STARTED)
        lanes[-1].enroll(EVERY_CLIENT.values())
        return lanes[-1]

    def make(window):
        sqlite = lane("sqlite", f"sqlite:///{file}", sqlite_template, window)
        return Lockstep((sqlite, lane("postgresql", url, postgresql_template, window)), window)

    yield make
    for one in lanes:
        one.close()
    postgresql.drop_database(url)


def explore(machine, world, steps, length=LENGTH):
    """Run the machine until `steps` steps were taken, and keep what was counted."""
    bound = seed(scale.SEED)(type("Bound", (machine,), {"world": world}))
    began = time.monotonic()
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=1 + steps * 11 // (10 * length),
            stateful_step_count=length,
            database=None,
            deadline=None,
            # Every run opens databases and threads; how long that takes is not the question.
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    return round(time.monotonic() - began, 1)


@pytest.mark.proof
@pytest.mark.parametrize(("variant", "window"), [("default", 60_000), ("strict", 0)])
def test_no_sequence_of_events_breaks_an_invariant(make_world, variant, window):
    world = make_world(window)
    steps = scale.scaled(2_000, 100_000)
    seconds = explore(Machine, world, steps)
    print(world.steps, world.requests, world.runs, seconds, dict(world.reached), dict(world.invariants.met))
    assert world.steps >= steps
