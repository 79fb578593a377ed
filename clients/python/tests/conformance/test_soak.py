"""The promise, under everything at once: nobody signs in twice, and no session is lost."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.conformance.household import Household
from clients.python.tests.conformance.mortal import POINTS

LOST = ("drop_after_commit", "drop_before_commit", "reset", "500_after_commit", "truncate_body")
OTHERS = ("html_502", "503", "429", "missing_fields", "html_200", "redirect_302")
SECONDS = 60


@pytest.fixture
def home(server, tmp_path):
    return Household(server, tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_becomes_of_answers_three_siblings_keep_one_session(home, seed):
    home.signed_in()
    siblings = [home.session() for _ in range(3)]
    home.server.chances(dict.fromkeys((*LOST, *OTHERS), 0.05), seed=seed)
    done = threading.Event()

    def time_flies():
        while not done.wait(0.002):
            home.advance(1)

    passing = threading.Thread(target=time_flies)
    passing.start()
    try:
        with ThreadPoolExecutor(6) as crowd:
            for _ in range(20):
                home.advance(301)
                calls = [crowd.submit(each.token, SECONDS) for each in siblings * 2]
                assert all(call.result(SECONDS) for call in calls)
    finally:
        done.set()
        passing.join()
        for each in siblings:
            each.close()
    sign_ins, alive, rotations, replays, lifetimes = home.counts(
        "sign_ins", "alive", "rotations", "replays", "lifetimes"
    )
    assert (sign_ins, alive) == (1, 1)
    assert replays > 0
    assert 20 <= rotations <= 2 * lifetimes, "at most one for each half of a lifetime"


def test_wherever_processes_die_the_next_one_goes_on(home):
    chosen = random.Random(1)
    home.signed_in()
    home.server.chances({"drop_after_commit": 0.1, "500_after_commit": 0.1}, seed=1)
    for _ in range(12):
        home.advance(chosen.choice([60, 301, 4000]))
        home.dies(chosen.choice(POINTS))
    home.server.clear_faults()
    home.advance(4000)
    assert home.session().token(20)
    assert home.counts("sign_ins", "alive") == (1, 1)
