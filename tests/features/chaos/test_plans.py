"""Faults ordered for a client at /dev/chaos, for programs that cannot send a header of their own."""

import json

import pytest
from flask import Flask

from app.features.chaos.use_case import Chaos
from app.services.faults import MOST_PLANS, Fault, Kind, Plan, Plans
from tests.protocol.expect import FORM, REVOKE, TOKEN, refused, wire
from tests.site import basic

HEADER = "X-Perennial-Chaos"
MALFORMED = (
    {"client_id": "nobody"},
    {"client_id": "x" * 65},
    {"client_id": "\ud800"},
    {"fault": "explode"},
    {"times": 0},
    {"rate": 2},
    {"seconds": 1},
    {"unknown": 1},
)
ODD_BODIES = (
    (b"grant_type=refresh_token&refresh_token=x", {}),
    (b"grant_type=refresh_token&refresh_token=x&refresh_token=x", {}),
    (b"grant_type=refresh_token", {"Authorization": "Basic !"}),
    (b"\xff", {}),
    (b"", {}),
    (b"a" * 65_536, {}),
    (b"a" * 65_537, {}),
    (b"a" * 200_000, {}),
)


@pytest.fixture
def client(development):
    return development.client()


@pytest.fixture
def token(development, client):
    return development.sign_in(client)["refresh_token"]


def order(site, client, fault, **members):
    wanted = {"client_id": client.client.client_id, "fault": fault, **members}
    return site.http.post("/dev/chaos", json=wanted)


def ordered(site):
    answer = site.http.get("/dev/chaos")
    assert answer.status_code == 200
    return answer.json["faults"]


def statuses(site, client, token, times):
    return [site.refresh(client, token).status_code for _ in range(times)]


def test_a_plan_is_answered_listed_met_and_used_up(development, client, token):
    answer = order(development, client, "503", times=2, seconds=5)
    told = {"client_id": client.client.client_id, "fault": "503", "times": 2, "rate": 1}
    told |= {"seconds": 5, "when": "before"}
    assert (answer.status_code, answer.json) == (200, told)
    assert ordered(development) == [told]
    assert development.refresh(client, token).headers["Retry-After"] == "5"
    assert ordered(development) == [told | {"times": 1}]
    assert statuses(development, client, token, 2) == [503, 200]
    assert ordered(development) == []


def test_the_fault_is_for_that_client_only(development, client, token):
    other = development.client()
    order(development, client, "429")
    second = development.sign_in(other)["refresh_token"]
    assert development.refresh(other, second).status_code == 200
    assert development.refresh(client, token).status_code == 429


def test_a_client_is_known_by_its_secret_in_the_body_and_by_its_name_alone(development, client):
    public = development.client(public=True, first_party=True)
    form = {"grant_type": "password", "username": "alice", "password": "wrong"}
    order(development, public, "429")
    assert development.token(public, **form).status_code == 429
    order(development, client, "429")
    form |= {"client_id": client.client.client_id, "client_secret": client.secret}
    assert development.token(None, **form).status_code == 429


def test_revocations_meet_it_too(development, client, token):
    order(development, client, "drop")
    with pytest.raises(ConnectionResetError):
        development.revoke(client, token)
    refused(development.refresh(client, token), "invalid_grant", reason="session_ended")


def test_a_header_goes_before_a_plan_and_does_not_use_it_up(development, client, token):
    order(development, client, "503")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert development.token(client, {HEADER: "429"}, **form).status_code == 429
    assert statuses(development, client, token, 2) == [503, 200]


def test_all_plans_are_forgotten_at_once(development, client, token):
    order(development, client, "503", times=1000)
    order(development, development.client(), "drop")
    answer = development.http.delete("/dev/chaos")
    assert (answer.status_code, answer.data) == (204, b"")
    assert ordered(development) == []
    assert development.refresh(client, token).status_code == 200


def test_a_rate_is_drawn_for_each_request(development, client, token):
    draws = iter([0.2, 0.7, 0.49, 0.5])
    plans = Plans()
    plans.put(Plan(client.client.client_id, Fault(Kind.BUSY), times=9, rate=0.5))
    inner = Flask.wsgi_app.__get__(development.app)
    development.app.wsgi_app = Chaos(inner, development.run, plans, draw=lambda: next(draws))
    assert statuses(development, client, token, 4) == [503, 200, 503, 200]


def test_a_malformed_plan_is_refused_with_the_form_that_is_expected(development, client, capsys):
    for wrong in MALFORMED:
        body = json.dumps({"client_id": client.client.client_id, "fault": "drop", **wrong})
        answer = development.http.post("/dev/chaos", data=body, content_type="application/json")
        refused(answer, "invalid_request")
        assert '"client_id"' in answer.json["expected"]
        assert ordered(development) == [], wrong
    assert capsys.readouterr().err.count("why=chaos_plan") == len(MALFORMED)


def test_there_is_an_end_to_how_many_clients_can_have_a_plan(development, client, monkeypatch):
    monkeypatch.setattr("app.services.faults.MOST_PLANS", 1)
    assert MOST_PLANS == 100
    assert order(development, client, "drop").status_code == 200
    refused(order(development, development.client(), "drop"), "invalid_request")
    assert order(development, client, "truncate").status_code == 200
    assert [plan["fault"] for plan in ordered(development)] == ["truncate"]


def test_what_is_wrong_with_a_request_is_answered_as_ever_while_there_are_plans(
    development, client
):
    credentials = {"Authorization": basic(client.client.client_id, client.secret)}

    def ask():
        return [
            wire(
                development.http.post(path, data=body, headers=credentials | odd, content_type=FORM)
            )
            for path in (TOKEN, REVOKE)
            for body, odd in ODD_BODIES
        ]

    before = ask()
    assert {status for status, _, _ in before} == {400, 401, 413}
    order(development, development.client(), "drop")
    assert ask() == before
