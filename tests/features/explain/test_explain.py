"""`perennial explain -`: the rule that would apply now, told to the operator, changing nothing."""

import json

import pytest
from sqlalchemy import text

from tests.console import Console

KEY = "a-key-of-one-token-0001"
DAY = 86_400


@pytest.fixture
def signed_in(make_any_site):
    """Strangers' defaults; (site, client, first token)."""
    site = make_any_site()
    site.user()
    client = site.client()
    return site, client, site.sign_in(client)["refresh_token"]


def explained(site, token, *, status):
    """The facts, after checking that nothing moved and the token is not repeated."""
    before = rows(site)
    result = Console(site.app)("explain", "-", "--json", input=f"{token}\n")
    assert result.exit_code == status, result.output
    assert rows(site) == before
    assert token not in result.output
    facts = json.loads(result.stdout)
    assert facts["accepted"] is (status == 0)
    return facts


def rows(site):
    with site.run.rotations.connect() as connection:
        return connection.execute(text("SELECT * FROM sessions")).all()


def successor(site, client, token, **kwargs):
    return site.refresh(client, token, **kwargs).json["refresh_token"]


def test_a_current_token_rotates(signed_in):
    site, _, token = signed_in
    facts = explained(site, token, status=0)
    assert facts["rule"] == "R5"
    assert (facts["generation"], facts["current_generation"], facts["state"]) == (1, 1, "live")
    assert facts["refresh_token_timeout"] == 30 * DAY


def test_a_parent_gets_its_successor_inside_the_window_and_ends_the_session_after_it(signed_in):
    site, client, token = signed_in
    successor(site, client, token)
    site.clock.advance(seconds=59)
    facts = explained(site, token, status=0)
    assert (facts["rule"], facts["rotated_ago"], facts["grace_left"]) == ("R6", 59, 1)
    site.clock.advance(seconds=2)
    facts = explained(site, token, status=1)
    assert facts["rule"] == "R7"
    assert "R6k" not in facts["why"]


def test_a_rotation_with_a_key_is_named_as_the_way_back(signed_in):
    site, client, token = signed_in
    successor(site, client, token, key=KEY)
    site.clock.advance(seconds=61)
    facts = explained(site, token, status=1)
    assert facts["rule"] == "R7"
    assert "R6k" in facts["why"]
    assert facts["key_remembered"] is True


def test_an_ancestor_has_no_way_back(signed_in):
    site, client, token = signed_in
    successor(site, client, successor(site, client, token, key=KEY), key=f"{KEY}2")
    facts = explained(site, token, status=1)
    assert facts["rule"] == "R7"
    assert "R6k" not in facts["why"]


def test_a_client_that_recovers_until_used_is_told_apart(make_any_site):
    site = make_any_site()
    site.user()
    client = site.client(recovery="until-used", min_rotation_interval=5)
    token = site.sign_in(client)["refresh_token"]
    current = successor(site, client, token)
    assert explained(site, current, status=0)["rule"] == "R4"
    site.clock.advance(seconds=DAY)
    assert explained(site, token, status=0)["rule"] == "R6k"


def test_a_token_ahead_of_the_database_heals(signed_in):
    site, client, token = signed_in
    ahead = successor(site, client, token)
    with site.run.rotations.connect() as connection:
        connection.execute(text("UPDATE sessions SET gen = 1"))
    assert explained(site, ahead, status=0)["rule"] == "R8"


def test_a_session_that_is_over_says_how(signed_in):
    site, client, token = signed_in
    site.clock.advance(seconds=31 * DAY)
    assert "idle" in explained(site, token, status=1)["why"]
    site.clock.advance(seconds=60 * DAY)
    assert "its end" in explained(site, token, status=1)["why"]
    site.revoke(client, token)
    facts = explained(site, token, status=1)
    assert (facts["rule"], facts["state"]) == ("R2", "session_ended")


def test_after_a_reuse_the_reason_is_the_reuse(signed_in):
    site, client, token = signed_in
    successor(site, client, successor(site, client, token))
    assert site.refresh(client, token).status_code == 400
    assert "superseded" in explained(site, token, status=1)["why"]


def test_what_was_never_a_token_here_is_told_apart(signed_in):
    site, _, token = signed_in
    assert explained(site, token[:-1], status=1)["rule"] == "R0"
    facts = explained(site, "tell me", status=1)
    assert (facts["token"], facts["rule"]) == ("unknown", None)
    with site.run.rotations.connect() as connection:
        connection.execute(text("UPDATE sessions SET salt = :salt"), {"salt": b"x" * 32})
    facts = explained(site, token, status=1)
    assert facts["rule"] == "R1"
    assert "session" not in facts, "of a forged token nothing about the session is known"


def test_an_unknown_session_and_an_absent_secret_are_told_apart(signed_in):
    site, _, token = signed_in
    with site.run.rotations.connect() as connection:
        connection.execute(text("DELETE FROM sessions"))
    assert "no such session" in explained(site, token, status=1)["why"]


def test_a_bound_session_needs_its_key(signed_in):
    site, _, token = signed_in
    with site.run.rotations.connect() as connection:
        connection.execute(text("UPDATE sessions SET binding = 'jkt'"))
    facts = explained(site, token, status=1)
    assert facts["rule"] == "R1b"
    assert facts["state"] == "live"


def test_a_token_of_a_disabled_client_is_refused_whatever_the_rule(signed_in):
    site, client, token = signed_in
    access = site.refresh(client, token).json["access_token"]
    with site.run.rotations.connect() as connection:
        connection.execute(text("UPDATE clients SET disabled_at = 1"))
    site.clock.advance(seconds=6)  # registrations are remembered for five seconds
    for each in (token, access):
        assert "disabled" in explained(site, each, status=1)["why"]


def test_access_tokens_are_explained_too(signed_in):
    site, client, token = signed_in
    answer = site.refresh(client, token).json
    facts = explained(site, answer["access_token"], status=0)
    assert (facts["token"], facts["expires_in"]) == ("access token", 900)
    site.revoke(client, answer["access_token"])
    assert "by itself" in explained(site, answer["access_token"], status=1)["why"]
    other = site.refresh(client, answer["refresh_token"]).json["access_token"]
    site.revoke(client, token)
    assert "was ended" in explained(site, other, status=1)["why"]
    site.clock.advance(seconds=901)
    assert explained(site, other, status=1)["token"] == "unknown"


def test_an_access_token_without_its_session_is_refused(signed_in):
    site, client, token = signed_in
    access = site.refresh(client, token).json["access_token"]
    with site.run.rotations.connect() as connection:
        connection.execute(text("DELETE FROM sessions"))
    assert "no such session" in explained(site, access, status=1)["why"]


def test_a_token_is_never_an_argument(signed_in):
    """Arguments are seen by every user of a machine."""
    site, _, token = signed_in
    console = Console(site.app)
    said = console.refused("explain", token, status=2)
    assert token not in said


def test_people_read_lines(signed_in):
    site, _, token = signed_in
    lines = Console(site.app).done("explain", "-", input=token).splitlines()
    assert lines[:3] == ["accepted: yes", "token: refresh token", "rule: R5"]
