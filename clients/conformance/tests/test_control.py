import http.client
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clients.conformance import Conformance
from clients.conformance.conformance import OPERATIONS
from clients.conformance.tests.speaking import Caller, connect, control, send

ROOT = Path(__file__).parents[3]


def test_every_operation_can_be_called_from_another_process(server, ana):
    for name in OPERATIONS:
        arguments = {
            "fault": {"do": "503"},
            "chances": {"odds": {}},
            "advance_clock": {"seconds": 1},
        }
        timeout = {"await_held": {"timeout": 0}}
        told = control(server, name, **{**arguments, **timeout}.get(name, {}))
        assert (name, told.status) == (name, 200)


@pytest.mark.parametrize(
    ("operation", "arguments", "status"),
    [
        ("nonsense", {}, 404),
        ("close", {}, 404),
        ("fault", {}, 400),
        ("fault", {"do": "nonsense"}, 400),
        ("fault", {"do": "429", "retry_after": "soon"}, 400),
        ("configure", {"nonsense": 1}, 400),
        ("configure", {"access": "long"}, 400),
        ("configure", {"mode": "nonsense"}, 400),
        ("configure", {"jwt": 1}, 400),
        ("configure", {"access": True}, 400),
        ("configure", {"expires_in": "never"}, 400),
        ("advance_clock", {"minutes": 1}, 400),
    ],
)
def test_a_wrong_call_says_what_is_wrong(server, operation, arguments, status):
    reply = control(server, operation, **arguments)
    assert (reply.status, bool(reply.json["error"])) == (status, True)


def test_what_is_no_object_is_refused(server):
    connection = connect(server.control_url)
    assert send(connection, "POST", "/control/fault", "[1]").status == 400
    assert send(connection, "POST", "/control/fault", "{").status == 400
    connection.close()


def test_a_page_of_any_origin_may_steer(server):
    connection = connect(server.control_url)
    allowed = send(connection, "OPTIONS", "/control/log", Origin="http://127.0.0.1:5173")
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert send(connection, "GET", "/control/log").json["counts"]["sign_ins"] == 0
    connection.close()


def test_a_reset_forgets_everything(server, ana, counts):
    server.fault("503", times=100)
    server.offline()
    control(server, "reset", mode="fixed")
    assert counts()["sign_ins"] == 0
    assert ana.refresh().json["error"] == "invalid_grant"
    assert ana.sign_in().status == 200
    assert "refresh_token" not in ana.refresh().json


def test_an_unwise_configuration_is_refused_at_the_start():
    with pytest.raises(ValueError, match="access"):
        Conformance(access="long")


def test_the_clock_moves_for_every_lifetime(server, ana):
    server.advance_clock(300)
    assert ana.call().status == 401
    server.advance_clock(-300)
    assert ana.call().status == 200
    server.advance_clock(86_400)
    assert ana.refresh().json["reason"] == "session_idle"


def test_an_operator_ends_the_sessions_of_one_person(server, ana):
    bob = Caller(server.url)
    bob.sign_in("bob")
    assert server.revoke("ana", "session_expired") == 1
    assert server.revoke("ana") == 0
    assert ana.refresh().json["reason"] == "session_expired"
    assert bob.refresh().status == 200


def test_offline_refuses_and_drops_connections_until_online(server, ana):
    connection = connect(server.url)
    send(connection, "GET", "/portal")
    server.offline()
    server.offline()
    with pytest.raises((http.client.HTTPException, OSError)):
        send(connection, "GET", "/portal")
    with pytest.raises(ConnectionRefusedError):
        ana.refresh()
    connection.close()
    assert control(server, "online").status == 200
    assert ana.refresh().status == 200


def test_a_restart_keeps_what_the_server_knows_and_where_it_is(server, ana):
    before = server.url
    server.restart()
    assert server.url == before
    assert ana.refresh().status == 200


def test_a_hundred_requests_at_once_are_all_served(server, ana):
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(ana.call().status)) for _ in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 100


def start():
    return subprocess.Popen(
        [sys.executable, "-m", "clients.conformance"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_as_a_program_it_says_where_it_is_and_ends_with_its_stdin():
    with start() as program:
        ready = json.loads(program.stdout.readline())
        assert Caller(ready["url"]).sign_in().status == 200
        assert ready["control"].startswith("http://127.0.0.1:")
        program.stdin.close()
        assert program.wait(10) == 0


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_as_a_program_it_ends_with_a_signal(sign):
    with start() as program:
        program.stdout.readline()
        program.send_signal(sign)
        assert program.wait(10) == 0
