"""`perennial session …`: what an operator sees of sessions, and ends."""

import pytest

from tests.console import Console

SHAPE = {
    "id": str,
    "state": str,
    "end_reason": (str, type(None)),
    "username": str,
    "user_id": str,
    "client_id": str,
    "scope": str,
    "created_at": int,
    "last_seen_at": int,
    "age": int,
    "refresh_token_timeout": int,
    "authorization_expires_in": int,
    "generation": int,
    "remember_me": bool,
    "device_name": (str, type(None)),
    "user_agent": (str, type(None)),
    "ip": (str, type(None)),
}
DAY = 86_400
OWNER = ("192.0.2.7", "Phone/7.1")
THIEF = ("198.51.100.9", "Cu\x1brl")


@pytest.fixture
def perennial(any_site):
    any_site.user()
    any_site.user("bob")
    return Console(any_site.app)


def listed(perennial, *narrow) -> list[str]:
    return [row["id"] for row in perennial.json("session", "list", *narrow)]


def test_nobody_signed_in_is_an_empty_list(perennial):
    assert perennial.json("session", "list") == []
    assert perennial.done("session", "list").split()[:2] == ["id", "state"]


def test_a_session_is_listed_with_its_times_in_seconds(perennial, any_site):
    site = any_site
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    site.clock.advance(seconds=100)
    site.refresh(client, token)
    site.clock.advance(seconds=50)
    (row,) = perennial.json("session", "list")
    assert set(row) == set(SHAPE)
    for name, kind in SHAPE.items():
        assert isinstance(row[name], kind), name
    started = site.clock() // 1000 - 150
    assert (row["created_at"], row["last_seen_at"], row["age"]) == (started, started + 100, 150)
    assert row["refresh_token_timeout"] == 30 * DAY - 50
    assert row["authorization_expires_in"] == 90 * DAY - 150
    assert (row["state"], row["end_reason"], row["generation"]) == ("live", None, 2)
    assert (row["username"], row["client_id"]) == ("alice", client.client.client_id)
    assert perennial.json("session", "show", row["id"]) == {**row, "reuse": None}


def test_the_newest_comes_first_and_a_list_narrows(perennial, any_site):
    site = any_site
    one, other = site.client(), site.client()
    for client, name in ((one, "alice"), (other, "alice"), (one, "bob")):
        site.sign_in(client, name)
        site.clock.advance(seconds=1)
    newest = perennial.json("session", "list")
    assert [row["username"] for row in newest] == ["bob", "alice", "alice"]
    ids = [row["id"] for row in newest]
    assert listed(perennial, "--user", "bob") == ids[:1]
    assert listed(perennial, "--user", "alice") == ids[1:]
    assert listed(perennial, "--client", one.client.client_id) == [ids[0], ids[2]]
    assert listed(perennial, "--user", "alice", "--client", one.client.client_id) == ids[2:]
    assert listed(perennial, "--user", "nobody") == []
    assert listed(perennial, "--client", "' OR 1=1 --") == []


@pytest.mark.parametrize(
    ("days", "state"), [(29, "live"), (30, "session_idle"), (91, "session_expired")]
)
def test_a_session_that_ended_by_itself_says_how(perennial, any_site, days, state):
    site = any_site
    site.sign_in(site.client())
    site.clock.advance(seconds=days * DAY)
    (row,) = perennial.json("session", "list")
    assert row["state"] == state
    assert (row["refresh_token_timeout"] > 0) is (state == "live")


@pytest.mark.clause("asvs5-v7-7.4.5-01", "rfc6819-5.2.2.4-01")
def test_one_session_is_ended_and_the_others_go_on(perennial, any_site):
    site = any_site
    client = site.client()
    first = site.sign_in(client)
    site.clock.advance(seconds=1)
    second = site.sign_in(client)
    _, oldest = listed(perennial)
    assert perennial.done("session", "revoke", oldest) == f"session {oldest} ended\n"
    assert site.refresh(client, first["refresh_token"]).json["error"] == "invalid_grant"
    assert site.introspect(client, first["access_token"]) == {"active": False}
    assert site.refresh(client, second["refresh_token"]).status_code == 200
    row = perennial.json("session", "show", oldest)
    assert (row["state"], row["end_reason"]) == ("session_ended", "revoked_by_operator")
    assert (row["refresh_token_timeout"], row["authorization_expires_in"]) == (0, 0)
    again = perennial.done("session", "revoke", oldest)
    assert again == f"session {oldest} had ended already\n"
    assert perennial.json("session", "show", oldest) == row


@pytest.mark.clause("asvs5-v7-7.4.5-01")
def test_all_sessions_of_a_person_are_ended_and_nobody_elses(perennial, any_site):
    site = any_site
    client = site.client()
    tokens = [site.sign_in(client)["refresh_token"] for _ in range(3)]
    bobs = site.sign_in(client, "bob")["refresh_token"]
    said = perennial.done("session", "revoke-all", "--user", "alice")
    assert said == "3 sessions of alice ended\n"
    for token in tokens:
        assert site.refresh(client, token).json["error"] == "invalid_grant"
    assert site.refresh(client, bobs).status_code == 200
    assert site.sign_in(client)["refresh_token"], "the person may come back"
    rows = perennial.json("session", "list", "--user", "alice")
    assert sorted(row["state"] for row in rows) == ["live"] + ["session_ended"] * 3
    assert perennial.done("session", "revoke-all", "--user", "alice").startswith("1 sessions")


def test_a_reused_token_is_seen_for_what_it_is(perennial, any_site):
    site = any_site
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    site.refresh(client, token)
    site.clock.advance(seconds=61)
    assert site.refresh(client, token).status_code == 400
    (row,) = perennial.json("session", "list")
    assert (row["state"], row["end_reason"]) == ("session_reused", "token_reused")


@pytest.mark.parametrize("command", ["show", "revoke"])
@pytest.mark.parametrize("public_id", ["nobody", "", "' OR 1=1 --", "x" * 5000])
def test_an_unknown_session_is_refused(make_site, command, public_id):
    site = make_site()
    site.user()
    site.sign_in(site.client())
    refusal = Console(site.app).refused("session", command, public_id)
    assert refusal == f"there is no session {public_id}".strip()


def test_an_unknown_person_is_refused(perennial):
    said = perennial.refused("session", "revoke-all", "--user", "nobody")
    assert said == "there is no user 'nobody'"
    assert perennial("session", "revoke-all").exit_code == 2


@pytest.mark.clause("rfc6749-10.4-01", "rfc6749-10.3-01")
def test_nothing_that_is_shown_helps_a_thief(perennial, any_site):
    site = any_site
    client = site.client()
    token = site.sign_in(client)
    public_id = listed(perennial)[0]
    with site.run.rotations.connect() as connection:
        from app.store import sessions

        session = sessions.find_public(connection, public_id)
    printed = "".join(
        perennial(*command).output
        for command in (
            ("session", "list"),
            ("session", "list", "--json"),
            ("session", "show", public_id),
            ("session", "revoke", public_id),
        )
    )
    for secret in (token["refresh_token"], token["access_token"], client.secret):
        assert secret not in printed
    assert session.sid.hex() not in printed
    assert session.salt.hex() not in printed
    assert "prn_" not in printed


def test_what_a_browser_calls_itself_cannot_move_the_operators_cursor(perennial, any_site):
    site = any_site
    client = site.client()
    form = {
        "grant_type": "password",
        "username": "alice",
        "password": "correct horse battery staple",
    }
    agent = "evil\x9b2J\x9b31m agent"  # gunicorn refuses ESC and lets this through
    assert site.post("/oauth/token", form, client, {"User-Agent": agent}).status_code == 200
    for command in (("list",), ("show", listed(perennial)[0])):
        printed = perennial.done("session", *command)
        assert [c for c in printed if not c.isprintable() and c != "\n"] == []


@pytest.mark.clause("rfc9700-4.14.2-06")
def test_after_a_reuse_both_sides_are_shown(perennial, any_site):
    """One of them is the owner; only people can tell which."""
    site = any_site
    client = site.client()
    first = site.sign_in(client)["refresh_token"]
    started = site.clock() // 1000
    site.clock.advance(seconds=100)
    site.refresh(client, first, device=OWNER)
    site.clock.advance(seconds=1_000)
    assert site.refresh(client, first, device=THIEF).status_code == 400
    (row,) = perennial.json("session", "list")
    reuse = {
        "rotated": {"generation": 1, "at": started + 100, "ip": OWNER[0], "user_agent": OWNER[1]},
        "replayed": {"generation": 1, "at": started + 1_100, "ip": THIEF[0], "user_agent": "Curl"},
    }
    assert perennial.json("session", "show", row["id"]) == {**row, "reuse": reuse}
    assert (row["ip"], row["user_agent"]) == OWNER, "the refused side left no trace in the row"
    shown = perennial.done("session", "show", row["id"]).splitlines()
    assert f"reuse.replayed.ip: {THIEF[0]}" in shown
    assert f"reuse.rotated.user_agent: {OWNER[1]}" in shown
