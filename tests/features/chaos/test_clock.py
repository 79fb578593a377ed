"""/dev/clock moves everything that has an end, and nothing that compares real clocks."""

import json

from app import system_clock
from app.features.clients import use_case as clients
from app.services.movable_clock import LARGEST
from app.services.readiness import checks
from tests.protocol.expect import claims, header, refused
from tests.site import PASSWORD, STARTED

DAY = 86_400
NOW = STARTED // 1000
TEN_YEARS = LARGEST // 1000
MALFORMED = (
    "",
    "advance=1",
    "[]",
    "null",
    "{}",
    '{"advance": -1}',
    '{"advance": -0.001}',
    '{"advance": "1"}',
    '{"advance": true}',
    '{"advance": null}',
    '{"advance": NaN}',
    '{"advance": Infinity}',
    '{"advance": 1e400}',
    '{"advance": 315360001}',
    '{"advance": 1' + "0" * 5000 + "}",
    '{"reset": false}',
    '{"reset": 1}',
    '{"reset": true, "advance": 1}',
    '{"advance": 1, "unknown": 1}',
    '{"advance": 1',
    '{"advance": ' + "[" * 60_000,
    '{"advance": 1}\udcff',
)


def move(site, **members):
    return site.http.post("/dev/clock", json=members)


def advance(site, seconds):
    answer = move(site, advance=seconds)
    assert answer.status_code == 200, answer.text


def test_the_clock_says_its_time_and_how_far_ahead_it_is(development):
    answer = development.http.get("/dev/clock")
    assert (answer.status_code, answer.json) == (200, {"now": NOW, "offset": 0})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/json"


def test_moves_add_up_and_a_reset_takes_them_back(development):
    assert move(development, advance=3600).json == {"now": NOW + 3600, "offset": 3600}
    assert move(development, advance=0).json == {"now": NOW + 3600, "offset": 3600}
    assert move(development, advance=0.25).json == {"now": NOW + 3600, "offset": 3600.25}
    assert development.http.get("/dev/clock").json == {"now": NOW + 3600, "offset": 3600.25}
    assert move(development, reset=True).json == {"now": NOW, "offset": 0}


def test_it_may_be_ten_years_ahead_and_no_more(development):
    assert move(development, advance=TEN_YEARS).json["offset"] == TEN_YEARS
    refused(move(development, advance=1), "invalid_request")
    assert development.http.get("/dev/clock").json["offset"] == TEN_YEARS


def test_anything_else_is_refused_with_the_form_that_is_expected(development, capsys):
    move(development, advance=5)
    for body in MALFORMED:
        raw = body.encode("utf-8", "surrogateescape")
        answer = development.http.post("/dev/clock", data=raw, content_type="application/json")
        refused(answer, "invalid_request")
        assert '"reset": true' in answer.json["expected"]
        assert development.http.get("/dev/clock").json["offset"] == 5, body
    assert capsys.readouterr().err.count("why=test_clock") == len(MALFORMED)


def test_a_page_of_another_origin_cannot_move_it(development):
    """Only the JSON content type is read, which browsers ask about first, and get no answer."""
    for simple in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = development.http.post(
            "/dev/clock", data=json.dumps({"advance": 5}), content_type=simple
        )
        refused(answer, "invalid_request")
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = development.http.options("/dev/clock", headers=asked)
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]


def test_a_move_is_an_event(development, capsys):
    move(development, advance=61)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "test_clock_moved" in line]
    assert "offset=61" in line


# --- what moves -----------------------------------------------------------------------------------


def test_access_tokens_expire_and_new_ones_are_dated_by_it(development):
    client = development.client()
    first = development.sign_in(client)
    assert development.introspect(client, first["access_token"])["active"]
    advance(development, 3600)
    assert not development.introspect(client, first["access_token"])["active"]
    second = development.refresh(client, first["refresh_token"]).json
    told = claims(second["access_token"])
    assert (told["iat"], told["exp"]) == (NOW + 3600, NOW + 3600 + second["expires_in"])
    assert told["auth_time"] == NOW
    assert development.introspect(client, second["access_token"])["active"]


def test_the_idle_end_comes(development):
    client = development.client()
    token = development.sign_in(client)["refresh_token"]
    advance(development, 31 * DAY)
    refused(development.refresh(client, token), "invalid_grant", reason="session_idle")


def test_the_absolute_end_comes_to_a_session_that_is_never_idle(development):
    client = development.client()
    token = development.sign_in(client)["refresh_token"]
    for _ in range(3):
        advance(development, 29 * DAY)
        token = development.refresh(client, token).json["refresh_token"]
    advance(development, 4 * DAY)
    refused(development.refresh(client, token), "invalid_grant", reason="session_expired")


def test_the_grace_window_passes(development):
    client = development.client()
    token = development.sign_in(client)["refresh_token"]
    second = development.refresh(client, token).json["refresh_token"]
    advance(development, 60)
    assert development.refresh(client, token).json["refresh_token"] == second
    advance(development, 1)
    refused(development.refresh(client, token), "invalid_grant", reason="session_reused")


def test_a_rate_limit_is_over(development):
    client = development.client()
    wrong = {"grant_type": "password", "username": "alice", "password": "wrong"}
    while development.token(client, **wrong).status_code != 429:
        pass
    right = {**wrong, "password": PASSWORD}
    assert development.token(client, **right).status_code == 429
    advance(development, 60)
    assert development.token(client, **right).status_code == 200


def test_caches_grow_old(development, make_site):
    client = development.client()
    token = development.sign_in(client)["refresh_token"]
    clients.disable(make_site().run, client.client)
    assert development.refresh(client, token).status_code == 200, "known for five seconds"
    advance(development, 5)
    assert development.refresh(client, token).status_code == 401


def test_a_signing_key_whose_time_has_come_signs(development):
    now = development.run.now()
    client = development.client()
    first = development.sign_in(client)
    development.run.ceremony().rotate(at_once=False, called_at=now + 1, now=now)
    before = header(first["access_token"])["kid"]
    advance(development, DAY)
    second = development.refresh(client, first["refresh_token"]).json
    assert header(second["access_token"])["kid"] != before


# --- what does not --------------------------------------------------------------------------------


def test_a_server_whose_test_clock_was_moved_is_ready(development):
    development.clock.now = system_clock()
    advance(development, 3650 * DAY)
    (clock,) = [check for check in checks(development.run) if check.name == "clock"]
    assert clock.ok, clock.why


def test_a_server_whose_system_clock_is_wrong_is_not(development):
    development.clock.now = system_clock() - 3_600_000
    advance(development, 3600)
    (clock,) = [check for check in checks(development.run) if check.name == "clock"]
    assert not clock.ok
