import contextlib
import http.client
import json
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from clients.conformance.faults import KINDS
from clients.conformance.tests.speaking import Caller, connect, send

GRANT = {"client_id": "conformance", "grant_type": "refresh_token"}


def generation(server):
    return server.log()["families"][0]["generation"]


@pytest.mark.parametrize(
    ("fault", "after"),
    [("drop_before_commit", 1), ("drop_after_commit", 2), ("hang", 1)],
)
def test_a_connection_ends_without_an_answer(server, ana, fault, after):
    server.fault(fault, ms=0)
    with pytest.raises(http.client.RemoteDisconnected):
        ana.refresh()
    assert generation(server) == after
    assert ana.refresh().status == 200


def test_a_reset_is_a_reset(server, ana):
    server.fault("reset")
    with pytest.raises(ConnectionResetError):
        ana.refresh()
    assert generation(server) == 1


@pytest.mark.parametrize("fault", ["reset", "hang", "500_before", "html_502"])
def test_every_fault_can_happen_after_the_work(server, ana, fault):
    server.fault(fault, commit=True, ms=0)
    with contextlib.suppress(OSError):
        ana.refresh()
    assert generation(server) == 2


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("500_before", 500, "server_error"),
        ("503", 503, "temporarily_unavailable"),
        ("429", 429, "temporarily_unavailable"),
        ("temporarily_unavailable", 400, "temporarily_unavailable"),
        ("invalid_client", 401, "invalid_client"),
        ("invalid_grant", 400, "invalid_grant"),
        ("unauthorized_client", 400, "unauthorized_client"),
    ],
)
def test_an_error_is_told_and_nothing_is_done(server, ana, fault, status, error):
    server.fault(fault)
    reply = ana.refresh()
    assert (reply.status, reply.json["error"]) == (status, error)
    assert "Retry-After" not in reply.headers
    assert generation(server) == 1


def test_500_after_commit_has_done_the_work(server, ana):
    server.fault("500_after_commit")
    assert ana.refresh().status == 500
    assert generation(server) == 2


def test_any_other_error_can_be_asked_for(server, ana):
    server.fault("error", error="slow_down", status=400)
    assert ana.refresh().json["error"] == "slow_down"


def test_a_false_invalid_grant_has_the_reason_that_was_asked_for(server, ana):
    server.fault("invalid_grant", reason="session_idle")
    assert ana.refresh().json["reason"] == "session_idle"


@pytest.mark.parametrize("fault", ["429", "503", "temporarily_unavailable"])
def test_retry_after_in_seconds(server, ana, fault):
    server.fault(fault, retry_after=7)
    assert ana.refresh().headers["Retry-After"] == "7"


def test_retry_after_as_a_date_of_the_servers_clock(server, ana):
    server.configure(date_skew=3600)
    server.fault("429", retry_after=120, as_date=True)
    headers = ana.refresh().headers
    said, asked = (parsedate_to_datetime(headers[name]) for name in ("Date", "Retry-After"))
    assert (asked - said).total_seconds() == 120


@pytest.mark.parametrize(("fault", "status"), [("html_502", 502), ("html_200", 200)])
def test_a_page_comes_in_place_of_json(server, ana, fault, status):
    server.fault(fault)
    reply = ana.post("/token", **GRANT, refresh_token=ana.refresh_token)
    assert reply.status == status
    assert reply.headers.get_content_type() == "text/html"
    assert generation(server) == 1


def test_a_captive_portal_redirects_to_its_page(server, ana):
    server.fault("redirect_302")
    reply = ana.refresh()
    assert reply.status == 302
    page = ana.send("GET", reply.headers["Location"])
    assert (page.status, page.headers.get_content_type()) == (200, "text/html")


def test_half_of_a_body_arrives(server, ana):
    server.fault("truncate_body")
    with pytest.raises(http.client.IncompleteRead) as broken:
        ana.refresh()
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.value.partial)
    assert generation(server) == 2


def test_200_can_be_no_json(server, ana):
    server.fault("not_json_200")
    reply = ana.post("/token", **GRANT, refresh_token=ana.refresh_token)
    assert (reply.status, reply.body) == (200, b"access_token=none")


def test_a_token_can_be_missing_from_the_answer(server, ana):
    server.fault("missing_fields")
    told = ana.post("/token", **GRANT, refresh_token=ana.refresh_token).json
    assert "access_token" not in told
    assert "refresh_token" in told


def test_the_token_type_can_be_wrong(server, ana):
    server.fault("wrong_token_type")
    assert ana.refresh().json["token_type"] == "mac"


def test_a_body_can_be_as_long_as_is_asked_for(server, ana):
    server.fault("huge_body", size=100_000)
    reply = ana.post("/token", **GRANT, refresh_token=ana.refresh_token)
    assert (reply.status, len(reply.body) > 100_000) == (200, True)


def test_a_slow_answer_is_the_true_one(server, ana, monkeypatch):
    waited = []
    monkeypatch.setattr(server._authority.gate, "pause", waited.append)
    server.fault("slow", ms=2500)
    assert ana.refresh().status == 200
    assert waited == [2.5]


def test_a_hanging_request_gets_nothing_for_as_long_as_was_asked(server, ana):
    server.fault("hang")
    connection = connect(server.url, timeout=0.05)
    with pytest.raises(TimeoutError):
        send(connection, "POST", "/token")
    connection.close()


def held(server, ana, **fault):
    """A refresh that is being held, and its connection."""
    server.fault("hold", **fault)
    connection = connect(server.url)
    body = f"client_id=conformance&grant_type=refresh_token&refresh_token={ana.refresh_token}"
    connection.request(
        "POST", "/token", body, {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert server.await_held()
    return connection


@pytest.mark.parametrize(("commit", "while_held"), [(True, 2), (False, 1)])
def test_a_held_request_goes_on_when_it_is_released(server, ana, commit, while_held):
    connection = held(server, ana, commit=commit)
    assert generation(server) == while_held
    server.release()
    assert connection.getresponse().status == 200
    connection.close()
    assert generation(server) == 2


def test_nothing_is_held_after_a_release(server, ana):
    connection = held(server, ana)
    server.release()
    assert not server.await_held(timeout=0)
    connection.close()


def test_a_fault_meets_the_nth_request_and_as_many_as_were_asked_for(server, ana):
    server.fault("503", nth=2, times=2)
    assert [ana.refresh().status for _ in range(4)] == [200, 503, 503, 200]


def test_two_faults_can_wait_in_line(server, ana):
    server.fault("503")
    server.fault("429", nth=2)
    assert [ana.refresh().status for _ in range(3)] == [503, 429, 200]


def test_a_fault_can_wait_for_its_grant(server, ana):
    server.fault("503", grant="refresh_token")
    assert Caller(server.url).sign_in("bob").status == 200
    assert ana.refresh().status == 503


@pytest.mark.parametrize(
    ("on", "path"),
    [
        ("api", "/api/echo"),
        ("revoke", "/revoke"),
        ("metadata", "/.well-known/oauth-authorization-server"),
    ],
)
def test_other_endpoints_fail_too(server, ana, on, path):
    server.fault("html_502", on=on)
    assert ana.refresh().status == 200
    assert [ana.call(path).status == 502 for _ in range(2)] == [True, False]


def test_the_same_seed_draws_the_same_faults(server, ana):
    def run():
        server.chances({"503": 0.3, "429": 0.3}, seed=7)
        return [ana.refresh().status for _ in range(30)]

    first = run()
    assert set(first) == {200, 429, 503}
    assert run() == first


def test_faults_can_be_cleared(server, ana):
    server.fault("503", times=100)
    server.chances({"429": 1.0})
    server.clear_faults()
    assert ana.refresh().status == 200


def test_what_is_no_fault_is_refused(server):
    for wrong in ({"do": "nonsense"}, {"do": "503", "on": "nowhere"}, {"do": "503", "seen": 3}):
        with pytest.raises(ValueError, match=r"nonsense|nowhere|seen"):
            server.fault(**wrong)
    with pytest.raises(ValueError, match="exceed"):
        server.chances({"503": 0.6, "429": 0.6})


def test_every_fault_is_tried_here():
    here = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in here] == []


def test_a_held_request_is_let_go_when_the_server_closes(server, ana):
    connection = held(server, ana)
    server.close()
    with contextlib.suppress(http.client.HTTPException, OSError):
        connection.getresponse().read()
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        ana.refresh()
