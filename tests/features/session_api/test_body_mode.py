"""Sign in, refresh and look at the session, with the refresh token in bodies: for apps on devices."""

import pytest

from tests.features.session_api.conftest import IN_BROWSER, App, own_client, problem, rows
from tests.protocol.expect import claims, everything, wire
from tests.site import ISSUER, PASSWORD

DAY = 86_400
MEMBERS = {
    "access_token",
    "token_type",
    "expires_in",
    "refresh_token",
    "scope",
    "refresh_token_timeout",
    "authorization_expires_in",
    "session",
}
SESSION = {
    "id",
    "state",
    "created_at",
    "last_seen_at",
    "age",
    "refresh_token_timeout",
    "authorization_expires_in",
    "device_name",
    "user_agent",
    "ip",
    "client_id",
    "scope",
    "remember_me",
    "current",
}


@pytest.mark.clause("draft-browser-based-apps-6.3.3.1-01")
def test_a_login_brings_tokens_and_the_session(phone):
    answer = phone.logged_in(device_name="Ana's phone", remember_me=True, scope="read")
    assert set(answer) == MEMBERS
    session = answer["session"]
    assert set(session) == SESSION
    now = phone.site.clock() // 1000
    assert {name: session[name] for name in SESSION - {"id", "user_agent"}} == {
        "state": "live",
        "created_at": now,
        "last_seen_at": now,
        "age": 0,
        "refresh_token_timeout": 30 * DAY,
        "authorization_expires_in": 90 * DAY,
        "device_name": "Ana's phone",
        "ip": "127.0.0.1",
        "client_id": phone.client_id,
        "scope": "read",
        "remember_me": True,
        "current": True,
    }
    token = claims(answer["access_token"])
    assert (token["sid"], token["aud"]) == (session["id"], ISSUER)
    assert "Set-Cookie" not in phone.login().headers


def test_a_refresh_brings_the_same_members_and_the_next_token(phone):
    first = phone.logged_in(device_name="Phone")
    phone.site.clock.advance(seconds=100)
    answer = phone.refresh(first["refresh_token"])
    assert answer.status_code == 200
    assert set(answer.json) == MEMBERS
    assert answer.json["refresh_token"] != first["refresh_token"]
    assert answer.json["session"] == {
        **first["session"],
        "age": 100,
        "last_seen_at": first["session"]["last_seen_at"] + 100,
        "authorization_expires_in": 90 * DAY - 100,
    }
    shown = phone.get("session", answer.json["access_token"]).json
    user = shown.pop("user")
    assert shown == answer.json["session"]
    assert (user["username"], user["email"]) == ("alice", None)
    assert user["sub"] == claims(answer.json["access_token"])["sub"]


def test_the_rules_of_rotation_are_those_of_the_token_endpoint(phone):
    first = phone.logged_in()["refresh_token"]
    second = phone.refresh(first).json["refresh_token"]
    phone.site.clock.advance(seconds=60)
    assert phone.refresh(first).json["refresh_token"] == second, "in the window"
    phone.site.clock.advance(seconds=1)
    problem(phone.refresh(first), "session_reused", 401)
    problem(phone.refresh(second), "session_reused", 401)


def test_the_idempotency_key_opens_the_window_again(phone):
    first = phone.logged_in()["refresh_token"]
    key = {"Idempotency-Key": "0123456789abcdef"}
    members = {"refresh_token": first, "client_id": phone.client_id}
    second = phone.post("refresh-token", key, **members).json["refresh_token"]
    phone.site.clock.advance(seconds=DAY)
    assert phone.post("refresh-token", key, **members).json["refresh_token"] == second
    bad = phone.post("refresh-token", {"Idempotency-Key": "short"}, **members)
    problem(bad, "invalid_request", 400)


@pytest.mark.parametrize(
    ("seconds", "reason"), [(30 * DAY, "session_idle"), (90 * DAY, "session_expired")]
)
@pytest.mark.clause("asvs5-v7-7.3.1-01", "asvs5-v7-7.3.2-01")
@pytest.mark.clause("draft-browser-based-apps-6.3.2.3-02", "draft-browser-based-apps-6.3.2.3-03")
def test_a_session_ends_idle_and_at_its_end(phone, seconds, reason):
    token, left = phone.logged_in()["refresh_token"], seconds
    if reason == "session_expired":
        while left > 29 * DAY:
            phone.site.clock.advance(seconds=29 * DAY)
            token, left = phone.refresh(token).json["refresh_token"], left - 29 * DAY
    phone.site.clock.advance(seconds=left)
    problem(phone.refresh(token), reason, 401)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong"},
        {"username": "nobody"},
        {"username": "Alice"},
        {"password": "x" * 2000},
    ],
)
@pytest.mark.clause("rfc9457-3.1.3-01")
def test_every_failed_login_gets_the_same_answer_and_begins_nothing(phone, wrong):
    before = everything(phone.site)
    answer = phone.login(**wrong)
    problem(answer, "bad_credentials", 401)
    assert wire(answer) == wire(phone.login(password="another"))
    assert everything(phone.site) == before


@pytest.mark.clause("asvs5-v7-7.4.2-01")
def test_a_disabled_user_is_signed_out_and_not_told_apart(phone):
    token = phone.logged_in("bob")["refresh_token"]
    with phone.site.app.app_context():
        result = phone.site.app.test_cli_runner().invoke(args=["user", "disable", "bob"])
    assert result.exit_code == 0
    problem(phone.refresh(token), "session_ended", 401)
    assert wire(phone.login("bob")) == wire(phone.login(password="another"))


def test_guesses_here_and_at_the_token_endpoint_are_counted_together(phone):
    site, oauth = phone.site, phone.site.client()
    for _ in range(10):
        problem(phone.login(password="wrong"), "bad_credentials", 401)
        wrong = {"grant_type": "password", "username": "alice", "password": "wrong"}
        assert site.token(oauth, **wrong).status_code == 400
    answer = phone.login()
    problem(answer, "rate_limited", 429)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert site.token(oauth, **{**wrong, "password": PASSWORD}).status_code == 429
    site.clock.advance(seconds=60)
    assert phone.login().status_code == 200


@pytest.mark.parametrize(
    ("grants", "wish"),
    [
        (("refresh_token",), {"first_party": False}),
        ((), {"public": False}),
        ((), {"public": False, "first_party": False}),
        (("refresh_token",), {}),
    ],
)
def test_only_the_owners_public_clients_with_the_grant_are_served(phone, grants, wish):
    site = phone.site
    other = App(site, own_client(site, *grants, **wish))
    token = phone.logged_in()["refresh_token"]
    before = everything(site)
    problem(other.login(), "client_not_allowed", 403)
    if wish:
        problem(other.refresh(token), "client_not_allowed", 403)
    assert everything(site) == before


def test_the_lifetimes_of_a_client_are_its_own(phone):
    site = phone.site
    client = own_client(site, idle_ttl=50, session_ttl=100)
    for headers in ({}, IN_BROWSER):
        answer = App(site, client, **headers).logged_in()
        assert (answer["refresh_token_timeout"], answer["authorization_expires_in"]) == (50, 100)
    assert site.sign_in(client)["authorization_expires_in"] == 100
    assert phone.logged_in()["authorization_expires_in"] == 90 * DAY


def test_an_unknown_or_disabled_client_is_not_served(phone):
    token = phone.logged_in()["refresh_token"]
    for name in ("nobody", "a\u00e9", "x" * 65):
        problem(phone.login(client_id=name), "client_not_allowed", 403)
        problem(phone.refresh(token, client_id=name), "client_not_allowed", 403)
    with phone.site.app.app_context():
        phone.site.app.test_cli_runner().invoke(args=["client", "disable", phone.client_id])
    phone.site.clock.advance(seconds=6)
    before = everything(phone.site)
    problem(phone.login(), "client_not_allowed", 403)
    problem(phone.refresh(token), "client_not_allowed", 403)
    assert everything(phone.site) == before


def test_the_password_grant_switches_the_login_too(make_any_site):
    site = make_any_site(password_grant="off")
    site.user()
    problem(App(site, own_client(site)).login(), "client_not_allowed", 403)


def test_a_client_may_ask_for_no_more_than_it_is_registered_for(phone):
    before = everything(phone.site)
    problem(phone.login(scope="read admin"), "invalid_request", 400)
    assert everything(phone.site) == before


def test_a_session_of_the_token_endpoint_is_unknown_here_and_unchanged(phone):
    site = phone.site
    foreign = site.sign_in(phone.client)["refresh_token"]
    other = App(site, own_client(site))
    others = other.logged_in()["refresh_token"]
    before = everything(site)
    for token in (foreign, others, "prn_rt_" + "0" * 64, "x"):
        problem(phone.refresh(token), "bad_credentials", 401)
        assert phone.post("logout", refresh_token=token).status_code == 204 or token == others
    ended = [row["revoke_reason"] for row in rows(site)]
    assert sorted(map(str, ended)) == ["None", "signed_out"], "the other app's own token logs out"
    assert site.refresh(phone.client, foreign).status_code == 200
    assert len(before["sessions"]) == 2


def test_a_session_of_this_api_is_served_at_the_token_endpoint(phone):
    token = phone.logged_in()["refresh_token"]
    answer = phone.site.refresh(phone.client, token)
    assert answer.status_code == 200
    assert phone.refresh(answer.json["refresh_token"]).status_code == 200


@pytest.mark.parametrize("binding", ["jkt", "x5t"])
def test_a_bound_session_is_unknown_here_and_unchanged(phone, binding):
    from sqlalchemy import text

    token = phone.logged_in()["refresh_token"]
    with phone.site.run.transactions.begin() as connection:
        connection.execute(text("UPDATE sessions SET binding = :to"), {"to": binding})
    before = everything(phone.site)
    problem(phone.refresh(token), "bad_credentials", 401)
    assert phone.post("logout", refresh_token=token).status_code == 204
    assert everything(phone.site) == before


def test_no_log_line_holds_a_password_or_a_token(phone, capsys):
    answer = phone.logged_in()
    phone.login(password="a-wrong-password")
    phone.login("typed-into-the-wrong-field")
    again = phone.refresh(answer["refresh_token"]).json
    phone.get("session", again["access_token"])
    phone.post("logout", refresh_token=again["refresh_token"])
    log = capsys.readouterr().err
    assert '"grant": "login"' in log
    secrets = [PASSWORD, "a-wrong-password", "typed-into-the-wrong-field"]
    for secret in (*secrets, *(a[t] for a in (answer, again) for t in a if t.endswith("_token"))):
        assert secret not in log
