import json

import pytest

from clients.conformance.tests.speaking import Caller

KEY = "0123456789abcdef"


def test_rotations_and_replays_are_counted_by_family_and_generation(server, ana, counts):
    old = ana.refresh_token
    ana.refresh()
    ana.refresh(old)
    assert (counts()["rotations"], counts()["replays"]) == (1, 1)
    told = [e for e in server.log()["events"] if e["event"] in {"rotated", "repeated"}]
    assert [(e["family"], e["generation"]) for e in told] == [("f1", 1), ("f1", 1)]


def test_a_reuse_is_a_kill_and_an_operators_ending_is_none(server, ana, counts):
    server.configure(mode="strict")
    old = ana.refresh_token
    ana.refresh()
    ana.refresh(old)
    Caller(server.url).sign_in("bob")
    server.revoke("bob")
    assert counts()["family_kills"] == 1


def test_a_first_sign_in_is_not_forced(ana, counts):
    assert (counts()["sign_ins"], counts()["forced_sign_ins"]) == (1, 0)


def test_signing_in_beside_a_living_session_is_forced(ana, counts):
    ana.sign_in()
    assert counts()["forced_sign_ins"] == 1


def test_signing_in_after_a_reuse_is_forced(server, ana, counts):
    server.configure(mode="strict")
    old = ana.refresh_token
    ana.refresh()
    ana.refresh(old)
    ana.sign_in()
    assert counts()["forced_sign_ins"] == 1


@pytest.mark.parametrize("ending", ["logout", "operator", "idle"])
def test_signing_in_after_a_rightful_ending_is_not_forced(server, ana, counts, ending):
    if ending == "logout":
        ana.post("/revoke", token=ana.refresh_token)
    elif ending == "operator":
        server.revoke()
    else:
        server.advance_clock(86_400)
    ana.sign_in()
    assert counts()["forced_sign_ins"] == 0


def test_another_person_or_client_is_not_forced(server, ana, counts):
    Caller(server.url).sign_in("bob")
    Caller(server.url, "second").sign_in("ana")
    assert counts()["forced_sign_ins"] == 0


def test_keys_are_counted_and_so_are_those_that_come_with_two_tokens(server, ana, counts):
    old = ana.refresh_token
    ana.refresh(key=KEY)
    ana.refresh(old, key=KEY)
    assert (counts()["keys"], counts()["keys_shared"]) == (1, 0)
    ana.refresh(key=KEY)
    assert (counts()["keys"], counts()["keys_shared"]) == (1, 1)
    assert server.log()["keys"] == {KEY: 2}


def test_lifetimes_are_counted_while_a_session_lives(server, ana, counts):
    server.advance_clock(600)
    assert counts()["lifetimes"] == 2
    server.revoke()
    server.advance_clock(600)
    assert counts()["lifetimes"] == 2


def test_requests_to_the_api_are_counted_by_outcome(server, ana, counts):
    ana.call()
    server.expire_access()
    ana.call()
    told = counts()
    assert (told["api_requests"], told["api_served"], told["api_refused"]) == (2, 1, 1)


def test_token_requests_count_also_when_they_are_dropped(server, ana, counts):
    server.fault("503")
    ana.refresh()
    assert (counts()["token_requests"], counts()["refresh_requests"]) == (2, 1)


def test_an_access_token_in_place_of_a_refresh_token_is_noticed(ana, counts):
    ana.refresh(ana.access)
    assert counts()["access_as_refresh"] == 1


def test_refreshes_one_after_the_other_are_never_two_at_once(ana, counts):
    ana.refresh()
    ana.refresh()
    assert counts()["refreshes_at_once"] == 1


def test_the_log_holds_no_token(server, ana):
    ana.refresh()
    ana.post("/revoke", token=ana.refresh_token)
    assert "cft_" not in json.dumps(server.log())
