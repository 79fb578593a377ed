"""The scenarios against two clients of a screen each: they have to tell a right one from a wrong one."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients.conformance.tests.reference import Careful, Naive, Store
from clients.conformance.tests.runner import Run

FOLDER = Path(__file__).parents[1] / "scenarios"
GROUPS = {
    path.stem: {
        scenario["name"]: scenario for scenario in json.loads(path.read_text())["scenarios"]
    }
    for path in FOLDER.glob("*.json")
}
ALL = {name: scenario for group in GROUPS.values() for name, scenario in group.items()}

# What the careful one leaves out for brevity: refreshing early, dates in Retry-After, timeouts.
BEYOND = {
    "Retry-After may be a date",
    "before a strict server a repetition waits for the hard end of the token",
    "no answer comes, and the server rotated",
    "no answer comes, and the server did nothing",
}
BASIC = [
    "a hundred calls at expiry cause one refresh",
    "a hundred calls whose token is refused share one refresh",
    "late refusals of the old token cause no refresh",
    "a fresh token that is refused is tried once more and no more",
    "403 is no reason to refresh",
    "a deadline without network says offline",
    "launched without network while the token is good",
    "the server is restarted",
    "away for longer than the session lives",
    "a captive portal answers 200 with a page",
    "a captive portal redirects to its page",
    "invalid_client keeps the session",
    "a launch after logout is signed out",
    "two accounts do not know each other",
    "a lifetime with a fraction",
    "a server that does not rotate",
    "a server that rotates strictly",
    "a server with a window and nothing else",
    "every generation has a key of its own",
    "an access token never refreshes",
    *GROUPS["crashes"],
    *GROUPS["siblings"],
    *sorted(GROUPS["lost_answers"].keys() - BEYOND),
]
# Each is here for what it proves: races, lost answers, deaths, siblings, portals.
CAUGHT = [
    "a hundred calls at expiry cause one refresh",
    "a hundred calls whose token is refused share one refresh",
    "late refusals of the old token cause no refresh",
    "the connection ends after the server rotated",
    "the connection ends before the server did anything",
    "an outage longer than the window follows a lost answer",
    "429 is waited for",
    "the process dies after response",
    "what one refreshed the other uses",
    "both find the token expired at the same moment",
    "one slept through several rotations",
    "a captive portal answers 200 with a page",
    "invalid_client keeps the session",
    "a deadline without network says offline",
]
EASY = [
    "403 is no reason to refresh",
    "a launch after logout is signed out",
    "a server that does not rotate",
    "a server that rotates strictly",
    "the process dies before send",
]


@pytest.mark.parametrize("name", BASIC)
def test_the_least_that_is_right_passes(server, clock, name):
    Run(server, clock, Careful, ALL[name]).perform()


@pytest.mark.parametrize("name", CAUGHT)
def test_a_client_without_lock_and_repetition_is_caught(server, clock, name):
    with pytest.raises(AssertionError):
        Run(server, clock, Naive, ALL[name]).perform()


@pytest.mark.parametrize("name", EASY)
def test_a_simple_client_passes_where_nothing_goes_wrong(server, clock, name):
    Run(server, clock, Naive, ALL[name]).perform()


@pytest.mark.parametrize("allowed", [[], ["family_kills"]])
def test_a_killed_family_is_an_error_unless_it_is_allowed(server, clock, allowed):
    """Without a word of it in the steps."""
    scenario = {
        "server": {"mode": "strict"},
        "allows": allowed,
        "steps": [
            {"do": "sign_in"},
            {"do": "call", "by": "sibling"},
            {"do": "advance", "seconds": 301},
            {"do": "call"},
            {"do": "call", "by": "sibling", "expect": {"error": "reauth_required"}},
        ],
    }
    run = Run(server, clock, Naive, scenario)
    if allowed:
        run.perform()
    else:
        with pytest.raises(AssertionError, match="family_kills"):
            run.perform()


@pytest.mark.parametrize("seed", range(3))
def test_a_mixture_of_faults_ends_no_session_of_a_careful_client(server, clock, counts, seed):
    store = Store()
    clients = [Careful(server.url, store, clock) for _ in range(3)]
    clients[0].sign_in("ana")
    lost = ("drop_after_commit", "drop_before_commit", "reset", "500_after_commit", "truncate_body")
    server.chances(dict.fromkeys((*lost, "html_502", "503"), 0.08), seed=seed)
    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(20):
            clock.advance(301)
            calls = [pool.submit(client.call, "/api/echo", timeout=600) for client in clients]
            assert [call.result(30).status for call in calls] == [200, 200, 200]
    found = counts()
    assert (found["family_kills"], found["sign_ins"], found["keys_shared"]) == (0, 1, 0)
    assert found["replays"] > 0
    assert 20 <= found["rotations"] <= found["lifetimes"]
