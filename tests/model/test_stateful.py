"""The promise of docs/rotation.md against any sequence of events, on the rules alone, on SQLite
and on PostgreSQL in lockstep. The invariants are named in `invariants.py`.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from app.core.rotation import Rule
from app.core.sessions import SECOND
from tests import scale
from tests.model.lanes import ServerLane, set_secret_ids
from tests.model.lockstep import EVERY_CLIENT, HELD_AT_FIRST, SECRETS, Lockstep
from tests.model.machine import Machine
from tests.model.patient import Patient
from tests.servers import MEMORY
from tests.site import STARTED, Site

LENGTH = 50
MET = (
    *("R0", "I2", "I5", "I5 overtaken", "I6", "I7", "I8", "I9", "I10", "I11", "I11 bound"),
    *("I14 lost answer", "I14 healed", "I15", "I15 awaited", "I18", "I18 too soon"),
    *("I20", "I20 until used", "I20 another key"),
)
"""What an honest run must have met at least once: a check that was silent has proven nothing."""
LIFETIMES = {"refresh_idle_ttl": 600, "session_ttl": 900, "access_token_ttl": 300}


@pytest.fixture
def memory():
    """A folder where nothing waits for a disk: thousands of sessions begin and end here."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="perennial-", dir=place) as folder:
        yield Path(folder)


@pytest.fixture
def make_world(sqlite_template, postgresql_template, postgresql, tmp_path, memory):
    """Two hosts on each database, with directories and secrets of their own."""
    file = memory / "model.db"
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


def missing(world):
    """What this world has not met yet, of all that it should."""
    rules = [rule for rule in Rule if not world.reached[rule]]
    return [*rules, *(check for check in MET if not world.invariants.met[check])]


def explore(machine, world, steps, length=LENGTH, *, first_seed=scale.SEED):
    """Run the machine, with one seed after the other, until so many steps were taken."""
    began, attempts = time.monotonic(), first_seed - scale.SEED
    while world.steps < steps:
        bound = seed(scale.SEED + attempts)(type("Bound", (machine,), {"world": world}))
        attempts += 1
        run_state_machine_as_test(
            bound,
            settings=settings(
                max_examples=1 + (steps - world.steps) // length,
                stateful_step_count=length,
                database=None,
                deadline=None,
                print_blob=False,
                # A step is several requests to two servers; how long that takes is not the question.
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
    return round(time.monotonic() - began, 1)


def keep(world, variant, seconds):
    figures = {"steps": world.steps, "runs": world.runs, "requests": world.requests}
    rules = {rule.value: world.reached[rule] for rule in Rule}
    scale.record("stateful", variant, {**figures, "seconds": seconds, "seed": scale.SEED, **rules})


@pytest.mark.proof
def test_no_sequence_of_events_breaks_an_invariant(make_world):
    world = make_world(60_000)
    steps = scale.scaled(6_000, 100_000)
    seconds = explore(Machine, world, steps)
    # What generators draw depends on the code around them; a rare turn may take another seed.
    for more in range(1, 4):
        if missing(world):
            seconds += explore(Machine, world, (1 + more) * steps, first_seed=scale.SEED + more)
    assert world.steps >= steps
    assert missing(world) == []
    keep(world, "default", seconds)


@pytest.mark.proof
def test_no_sequence_of_events_breaks_an_invariant_in_the_strict_profile(make_world):
    world = make_world(0)
    steps = scale.scaled(1_500, 30_000)
    seconds = explore(Machine, world, steps)
    assert world.steps >= steps
    never = {Rule.R4_TOO_SOON, Rule.R6_IN_WINDOW, Rule.R6K_SAME_REQUESTER}
    assert not any(world.reached[rule] for rule in never)
    assert world.invariants.met["I7"]
    keep(world, "strict", seconds)


@pytest.mark.proof
def test_whoever_waits_longer_than_the_network_delays_is_never_refused(make_world):
    world = make_world(60_000)
    steps = scale.scaled(1_500, 30_000)
    seconds = explore(Patient, world, steps)
    assert world.steps >= steps
    assert world.invariants.met["I17"]
    assert world.reached[Rule.R6_IN_WINDOW]
    assert world.invariants.met["I5 overtaken"]
    keep(world, "patient", seconds)


def test_a_request_whose_session_was_idle_when_it_was_overtaken_ends_nothing(make_world):
    """A rotation that has read in time and is still under way brings such a session back (I8)."""
    world = make_world(60_000)
    world.begin()
    family = world.sign_in("plain", 0)

    def hold(text):
        return world.request(text, family.client, 0, hold=True)

    overtaken = hold(family.current.token)
    world.present(family.current.token, family.client, 0)
    world.set_clock(family.idle_end(family.current) - 1)
    reviving = hold(family.current.token)
    world.set_clock(world.now + 1)
    for _ in range(2):  # its swap, which is lost, and its second look, at an idle session
        if overtaken in world.pending:
            world.advance(overtaken)
    world.finish(reviving)
    world.end()
    assert overtaken.answers[1].reason == "session_idle"
    assert world.alive == [family]
    assert family.current.generation == 3
