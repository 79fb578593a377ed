"""Every call that a refresh makes of its database driver fails once, in every way it can."""

import select
import sqlite3
from collections import Counter
from contextlib import redirect_stderr
from io import StringIO

import psycopg
import pytest

from tests.faults.driver import Cut, Fault, FileConnection
from tests.faults.promises import Trial, by_status, promises, untroubled
from tests.faults.scenes import GRANTED, World, is_reused, rotates
from tests.races.crowd import HUNG
from tests.scale import record, scaled


def faults(world: World, administrator) -> list[Fault]:
    """What a driver raises, and what becomes of a connection while nobody looks."""
    error = sqlite3.OperationalError if world.on_sqlite else psycopg.OperationalError
    return [
        Fault("fails", lambda _: _raise(error("disk I/O error"))),
        Fault("runs out of memory", lambda _: _raise(MemoryError())),
        Fault("is cut", FileConnection.vanish if world.on_sqlite else administrator),
        *([Fault("is interrupted", _interrupted)] if world.on_sqlite else []),
    ]


def _raise(error: BaseException) -> None:
    raise error


def _interrupted(connection: sqlite3.Connection) -> None:
    """The next step of whatever it does is its last, once."""
    fired: list[int] = []
    connection.set_progress_handler(lambda: not fired and not fired.append(1), 1)


@pytest.fixture
def terminate(world):
    """Ends the server process behind a connection from another one; the news has arrived then."""
    if world.on_sqlite:
        yield None
        return
    url = world.other.run.transactions.url
    with psycopg.connect(
        host=url.query["host"], user="postgres", dbname=url.database, autocommit=True
    ) as administrator:

        def end(connection):
            pid = [connection.info.backend_pid]
            administrator.execute("SELECT pg_terminate_backend(%s)", pid)
            assert select.select([connection], [], [], HUNG)[0], "it did not end"

        yield end


def cuts(calls: list[str], strikes: list[Fault]) -> list[Cut]:
    return [
        Cut(number, after, fault)
        for number, label in enumerate(calls)
        for after in (False, True)
        for fault in strikes
        if label != "connect" or fault.name in {"fails", "runs out of memory"}
    ]


@pytest.mark.proof
@pytest.mark.parametrize(
    ("paths", "cold", "step"),
    [
        pytest.param((*GRANTED, is_reused), False, scaled(11, 1), id="warm"),
        # What a start adds comes before the paths part; and it parses a private key each time.
        pytest.param((rotates, is_reused), True, scaled(47, 1), id="cold"),
    ],
)
def test_a_fault_around_any_call_of_the_driver_consumes_nothing_and_ends_nothing(
    world, terminate, paths, cold, step
):
    strikes = faults(world, terminate)
    answers: Counter[int] = Counter()
    places = 0
    for number, path in enumerate(paths):
        untroubled(world, path, cold=cold)
        calls = list(world.line.calls)
        assert calls
        places += len(calls)
        for cut in cuts(calls, strikes)[number % step :: step]:
            for promise in promises(path):
                answers[try_out(world, promise, path, cut, cold=cold)] += 1
    assert answers[503] > 0
    record(
        "database faults",
        f"{'sqlite' if world.on_sqlite else 'postgresql'}, {'cold' if cold else 'warm'}",
        {"calls": places, "faults": answers.total(), **by_status(answers)},
    )


def try_out(world: World, promise, path, cut: Cut, *, cold: bool) -> int:
    def break_(send):
        with world.line.watched(cut):
            return send()

    with redirect_stderr(StringIO()):
        try:
            answer = promise(world, Trial(path, break_, cold))
        except AssertionError as error:
            error.add_note(f"{promise.__name__}: {path.__name__}, cold={cold}, {place(world, cut)}")
            raise
    assert world.line.struck, f"never reached: {place(world, cut)}"
    return answer.status_code


def place(world: World, cut: Cut) -> str:
    when = "after" if cut.after else "before"
    return f"{cut.fault.name} {when} call {cut.number} of {world.line.calls}"
