"""Processes that share a session file, and are killed, stopped, and forked in the middle of it."""

import signal

import pytest

from clients.python.tests.conformance.household import Household
from clients.python.tests.conformance.member import fingerprint
from clients.python.tests.conformance.members import all_answer
from clients.python.tests.conformance.mortal import POINTS
from clients.python.tests.conformance.passing import eventually


@pytest.fixture
def home(server, tmp_path):
    return Household(server, tmp_path)


@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_at_any_point_of_a_refresh_loses_nothing(home, point):
    home.signed_in()
    home.advance(301)
    assert home.dies(point) == -signal.SIGKILL
    home.advance(60)  # longer than any window
    session = home.session()
    session.token(20)
    answered = point in {"after_response", "after_temp_write"}
    assert home.counts("rotations", "replays", "keys") == (1, int(answered), 1)
    home.advance(301)
    session.token(20)
    assert home.counts("rotations", "alive") == (2, 1)


def test_eight_processes_at_the_same_expiry_make_one_refresh(home, processes):
    home.signed_in()
    eight = processes.start(8, *home.made_for())
    for number in range(1, 6):
        home.advance(301)
        (token,) = set(all_answer(eight, "token"))
        assert len(token) == len(fingerprint(""))
        assert home.counts("rotations", "refresh_requests") == (number, number)
    assert processes.end() == ""


def stopped_with_the_lock(home, processes):
    """A process that has sent its refresh and stands still; the answer is on its way to it."""
    (stopped,) = processes.start(1, *home.made_for())
    home.advance(301)
    home.server.fault("hold")
    stopped.ask("token")
    assert home.server.await_held()
    stopped.stand_still()
    home.server.release()
    return stopped


def test_one_that_stands_still_with_the_lock_keeps_nobody_from_a_server_that_repeats(
    home, processes
):
    home.signed_in()
    stopped = stopped_with_the_lock(home, processes)
    (other,) = processes.start(1, *home.made_for(), lock_patience=0.2)
    other.ask("token")
    token = other.answer()
    assert home.counts("rotations", "replays", "keys") == (1, 1, 1)
    stopped.go_on()
    assert stopped.answer() == token
    assert home.counts("rotations", "replays", "alive") == (1, 1, 1)
    assert fingerprint(home.session().token()) == token


def test_one_that_stands_still_with_the_lock_is_waited_for_where_a_repetition_is_theft(
    home, processes
):
    home.server.configure(mode="strict")
    home.signed_in()
    stopped = stopped_with_the_lock(home, processes)
    (other,) = processes.start(1, *home.made_for(), lock_patience=0.2)
    other.ask("token", seconds=1)
    assert other.answer() == "OfflineError"
    other.ask("token")
    stopped.go_on()
    assert other.answer() == stopped.answer()
    assert home.counts("rotations", "refresh_requests", "alive") == (1, 1, 1)


def test_children_that_forked_off_share_the_refresh_with_their_parent(home, processes):
    home.signed_in()
    (parent,) = processes.start(1, *home.made_for())
    for number in range(1, 4):
        home.advance(301)
        parent.ask("forked", number=4)
        assert len(set(parent.answer())) == 1
        assert home.counts("rotations", "refresh_requests") == (number, number)
    assert processes.end() == ""


def test_children_that_fork_off_during_a_refresh_wait_for_it(home, processes):
    home.signed_in()
    (parent,) = processes.start(1, *home.made_for())
    home.advance(301)
    home.server.fault("slow", ms=500)
    parent.ask("busy_and_forked", number=4)
    assert len(set(parent.answer())) == 1
    assert home.counts("rotations", "refresh_requests") == (1, 1)
    assert processes.end() == ""


def test_a_program_that_ends_during_a_refresh_stores_its_answer_first(home, processes):
    home.signed_in()
    (leaving,) = processes.start(1, *home.made_for())
    home.advance(280)
    home.server.fault("slow", ms=500)
    for _ in range(2):
        leaving.ask("token")
        old = leaving.answer()
    assert leaving.leave() == 0
    assert fingerprint(home.session().token()) != old
    assert home.counts("rotations", "refresh_requests") == (1, 1)


def test_a_process_that_slept_for_two_lifetimes_goes_on(home, processes):
    home.server.configure(access=1)
    (sleeper,) = processes.start(1, *home.made_for())
    home.signed_in()
    sleeper.ask("token")
    first = sleeper.answer()
    sleeper.stand_still()
    (slept,) = home.counts("lifetimes")

    def two_lifetimes_have_passed():
        assert home.counts("lifetimes")[0] >= slept + 2

    eventually(two_lifetimes_have_passed)
    sleeper.go_on()
    sleeper.ask("token")
    assert sleeper.answer() not in {first, "OfflineError"}
    rotations, alive = home.counts("rotations", "alive")
    assert (rotations in {1, 2}, alive) == (True, 1), "one more if it fell asleep while refreshing"


def test_a_process_that_slept_in_the_middle_of_a_refresh_gets_what_it_asked_for(home, processes):
    home.signed_in()
    stopped = stopped_with_the_lock(home, processes)
    home.advance(600)
    stopped.go_on()
    assert len(stopped.answer()) == len(fingerprint(""))
    stopped.ask("token")
    assert len(stopped.answer()) == len(fingerprint(""))
    assert home.counts("rotations", "alive") == (2, 1)
