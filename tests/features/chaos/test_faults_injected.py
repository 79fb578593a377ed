"""Each fault inside one process: what was done, and what is answered."""

import contextlib
import itertools
import json
import time

import pytest
from flask import Flask
from sqlalchemy import text

from app.features.chaos.use_case import Chaos
from app.services.faults import Plans
from tests.protocol.expect import REVOKE, TOKEN, UNREACHABLE, claims, refused
from tests.site import PASSWORD, Site, basic

HEADER = "X-Perennial-Chaos"
APP = "https://app.example.com"


@pytest.fixture
def client(development):
    return development.client(origins=(APP,))


@pytest.fixture
def token(development, client):
    return development.sign_in(client)["refresh_token"]


def generation(site) -> int:
    with site.run.rotations.connect() as connection:
        return connection.execute(text("SELECT gen FROM sessions")).scalar_one()


def refresh(site, client, token, fault, **headers):
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return site.token(client, {HEADER: fault, **headers}, **form)


def rules(log):
    """By which rules of the decision table refreshes were answered 200."""
    return [line.partition("rule=")[2][:2] for line in log.splitlines() if "] refreshed " in line]


def test_drop_does_the_work_and_answers_nothing(development, client, token, capsys):
    with pytest.raises(ConnectionResetError):
        refresh(development, client, token, "drop")
    assert generation(development) == 2
    first, again = development.refresh(client, token), development.refresh(client, token)
    assert first.json["refresh_token"] == again.json["refresh_token"]
    assert rules(capsys.readouterr().err) == ["R5", "R6", "R6"]


def test_drop_before_does_nothing_and_answers_nothing(development, client, token):
    with pytest.raises(ConnectionResetError):
        refresh(development, client, token, "drop-before")
    assert generation(development) == 1


def test_a_revocation_whose_answer_is_lost_holds(development, client, token):
    with pytest.raises(ConnectionResetError):
        development.post(REVOKE, {"token": token}, client, {HEADER: "drop"})
    refused(development.refresh(client, token), "invalid_grant", reason="session_ended")


def test_a_duplicate_is_carried_out_twice_and_repeats_the_successor(
    development, client, token, capsys
):
    answer = refresh(development, client, token, "duplicate")
    assert answer.status_code == 200
    assert rules(capsys.readouterr().err) == ["R5", "R6"]
    assert development.refresh(client, answer.json["refresh_token"]).status_code == 200


def test_of_a_duplicate_the_second_answer_is_sent(make_site):
    """In the strict profile the second use of a token ends its session."""
    strict = make_site(env="development", reuse_grace=0)
    strict.user()
    client = strict.client()
    token = strict.sign_in(client)["refresh_token"]
    refused(refresh(strict, client, token, "duplicate"), "invalid_grant", reason="session_reused")


@pytest.mark.parametrize(
    ("when", "done_by_then"), [("", 1), ("; when=before", 1), ("; when=after", 2)]
)
def test_a_delay_comes_before_or_after_the_work(development, client, token, when, done_by_then):
    seen = []
    inner = Flask.wsgi_app.__get__(development.app)
    development.app.wsgi_app = Chaos(
        inner, development.run, Plans(), lambda s: seen.append((s, generation(development)))
    )
    answer = refresh(development, client, token, f"delay; seconds=12.5{when}")
    assert answer.status_code == 200
    assert seen == [(12.5, done_by_then)]
    assert generation(development) == 2


def test_a_delay_really_waits(development, client, token):
    started = time.monotonic()
    refresh(development, client, token, "delay; seconds=0.1")
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(
    ("fault", "status", "wait"),
    [
        ("429", 429, "1"),
        ("503", 503, "1"),
        ("429; seconds=7", 429, "7"),
        ("503; seconds=1.5", 503, "2"),
    ],
)
def test_the_server_says_come_again_and_does_nothing(
    development, client, token, fault, status, wait
):
    answer = refresh(development, client, token, fault, Origin=APP)
    refused(answer, "temporarily_unavailable", status)
    assert answer.headers["Retry-After"] == wait
    assert answer.headers["X-Request-ID"]
    assert answer.headers["Access-Control-Allow-Origin"] == APP, "as every other answer"
    assert generation(development) == 1


def test_a_503_may_come_from_somebody_who_did_not_wait_for_the_work(development, client, token):
    refused(refresh(development, client, token, "503; when=after"), "temporarily_unavailable", 503)
    assert generation(development) == 2


@pytest.mark.parametrize(("when", "done"), [("", 1), ("; when=after", 2)])
def test_a_proxy_answers_in_html(development, client, token, when, done):
    answer = refresh(development, client, token, f"502-html{when}")
    assert (answer.status_code, answer.mimetype) == (502, "text/html")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert generation(development) == done


def test_truncate_breaks_off_in_the_middle_of_the_answer(development, client, token):
    answer = refresh(development, client, token, "truncate")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    parts = []
    with pytest.raises(ConnectionResetError):
        parts.extend(answer.response)
    received = b"".join(parts)
    assert len(received) == int(answer.headers["Content-Length"]) // 2
    assert received.startswith(b'{"access_token":"')
    assert generation(development) == 2


@pytest.mark.parametrize("grant", ["password", "client_credentials"])
def test_every_grant_can_meet_a_fault(development, grant, capsys):
    everything = development.client("password", "refresh_token", "client_credentials")
    form = {"password": {"username": "alice", "password": PASSWORD}}.get(grant, {})
    answer = development.token(everything, {HEADER: "duplicate"}, grant_type=grant, **form)
    assert answer.status_code == 200
    log = capsys.readouterr().err
    name = {"password": "] signed_in ", "client_credentials": "] client_token_issued "}[grant]
    assert log.count(name) == 2
    if grant == "password":
        assert claims(answer.json["access_token"])["sid"] in log.rpartition(name)[2]


def test_a_header_that_says_no_fault_is_refused_and_nothing_is_done(
    development, client, token, capsys
):
    for header in ("", "explode", "delay; seconds=31", "drop; seconds=1", "drop\t;"):
        answer = refresh(development, client, token, header)
        refused(answer, "invalid_request")
        assert "drop-before" in answer.json["expected"]
    assert generation(development) == 1
    assert capsys.readouterr().err.count("why=chaos_header") == 5


def test_two_headers_are_no_fault(development, client, token):
    credentials = basic(client.client.client_id, client.secret)
    headers = [(HEADER, "drop"), (HEADER, "duplicate"), ("Authorization", credentials)]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    refused(development.http.post(TOKEN, data=form, headers=headers), "invalid_request")


def test_other_endpoints_and_methods_meet_no_fault(development, client, token):
    drop = {HEADER: "drop"}
    answer = development.post("/oauth/introspect", {"token": token}, client, drop)
    assert answer.json["active"]
    assert development.http.get("/readyz", headers=drop).is_json
    assert development.http.get(TOKEN, headers=drop).status_code == 405


def test_a_page_may_send_the_header(development, client):
    asked = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    answer = development.http.options(TOKEN, headers=asked)
    assert answer.headers["Access-Control-Allow-Headers"].endswith(f"X-Session-Mode, {HEADER}")
    stranger = development.http.options(TOKEN, headers=asked | {"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Headers" not in stranger.headers


def test_faults_are_met_while_the_database_is_away(tmp_path, capsys):
    site = Site(UNREACHABLE[0], tmp_path / "keys", env="development")
    form = {"grant_type": "refresh_token", "client_id": "anybody"}
    refused(site.token(None, {HEADER: "429"}, **form), "temporarily_unavailable", 429)
    with pytest.raises(ConnectionResetError):
        site.token(None, {HEADER: "drop"}, **form)
    site.close()


# --- the log --------------------------------------------------------------------------------------


def injected(log):
    return [line for line in log.splitlines() if "] chaos_injected " in line]


def word(line, name):
    return line.partition(f"{name}=")[2].split(" ")[0]


def test_an_injected_fault_is_an_event_of_its_request(development, client, token, capsys):
    capsys.readouterr()
    refresh(development, client, token, "503")
    log = capsys.readouterr().err
    (line,) = injected(log)
    assert (word(line, "client"), word(line, "fault")) == (client.client.client_id, "503")
    (access,) = [line for line in log.splitlines() if "] access " in line]
    assert word(line, "request_id") == word(access, "request_id")
    assert word(line, "request_id")


def test_a_fault_before_there_is_a_request_has_no_id(development, client, token, capsys):
    with pytest.raises(ConnectionResetError):
        refresh(development, client, token, "drop-before")
    (line,) = injected(capsys.readouterr().err)
    assert word(line, "request_id") == ""


def test_whoever_is_unknown_is_not_named(development, capsys):
    form = {"grant_type": "password", "client_id": "a password typed by mistake"}
    with pytest.raises(ConnectionResetError):
        development.token(None, {HEADER: "drop"}, **form)
    log = capsys.readouterr().err
    assert word(injected(log)[0], "client") == ""
    assert "by mistake" not in log


def test_no_secret_is_logged(development, client, token, capsys):
    faults = ("drop", "drop-before", "duplicate", "truncate", "delay; seconds=0", "429", "secret!")
    person = {"username": "alice", "password": PASSWORD}
    grants = ({"grant_type": "password", **person}, {"grant_type": "refresh_token"})
    for fault, fields in itertools.product(faults, grants):
        with contextlib.suppress(ConnectionResetError):
            development.token(client, {HEADER: fault}, **fields, refresh_token=token).get_data()
    log = capsys.readouterr().err
    assert len(injected(log)) == 12
    assert [secret for secret in (PASSWORD, token, client.secret, "secret!") if secret in log] == []
