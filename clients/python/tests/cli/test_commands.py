"""`python -m perennial`: what each command prints, how it ends, and that it tells no token."""

import json
import os
import subprocess
import sys

import pytest

from clients.python.tests.session.world import answer
from clients.python.tests.sign_in.test_browser import Person


@pytest.fixture
def signed_in(run, office):
    assert run("sign-in", *office.client, "--password").code == 0
    return run


def test_signing_in_with_the_browser(run, office):
    done = run("sign-in", *office.client, "--scope", "films:read")
    assert (done.code, done.out) == (0, "")
    assert done.err == f"signed in at {office.url}\n"
    assert office.server.forms[0]["grant_type"] == "authorization_code"


@pytest.mark.parametrize("code", ["unauthorized_client", "invalid_request"])
def test_a_client_without_this_way_to_sign_in_hears_of_the_others(run, office, code):
    office.person = Person(iss=office.url, error=code)
    done = run("sign-in", *office.client)
    assert (done.code, done.out) == (1, "")
    for word in (code, "http://127.0.0.1/cb", "--password", "--device"):
        assert word in done.err


def test_who_says_no_hears_nothing_of_that(run, office):
    office.person = Person(iss=office.url, error="access_denied")
    assert run("sign-in", *office.client).err == (
        "perennial: the sign-in was refused (access_denied)\n"
    )


def test_signing_in_with_a_password(run, office):
    assert run("sign-in", *office.client, "--password").code == 0
    form = office.server.forms[0]
    assert (form["username"], form["password"]) == ("alice", "correct horse")


def test_signing_in_with_another_device(run, office):
    done = run("sign-in", *office.client, "--device")
    assert done.code == 0
    assert "enter ABCD-EFGH" in done.err
    assert "device-secret" not in done.err


def test_what_is_not_told_is_as_at_the_last_sign_in(signed_in, office):
    assert signed_in("token").out == "SECRET-access-0\n"
    assert signed_in("sign-in", "--password").code == 0


def test_the_session_in_words(signed_in, office):
    done = signed_in("session")
    assert done.code == 0
    assert "active" in done.out
    assert "15 min" in done.out
    assert "films:read" in done.out
    assert office.url in done.out


def test_the_session_as_json(signed_in, office, tmp_path):
    said = json.loads(signed_in("session", "--json").out)
    assert said["state"] == "active"
    assert said["scope"] == "films:read"
    assert said["access_token_left"] == 900
    assert said["session_left"] == 30 * 86_400
    assert said["stored_in"].startswith(str(tmp_path))
    assert len(office.server.forms) == 1, "looking changes nothing"


def test_a_call(signed_in, office):
    done = signed_in("call", f"{office.url}/me", "-d", "hello", "-H", "X-Note: 1")
    assert (done.code, done.out) == (0, "welcome hello")
    (asked,) = office.api.seen
    assert (asked.method, asked.authorization) == ("POST", "Bearer SECRET-access-0")


def test_a_call_to_this_machine_goes_through_no_proxy(signed_in, office, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert signed_in("call", f"{office.url}/me").code == 0


def test_a_call_with_a_token_that_is_refused(signed_in, office):
    office.api.revoke()
    assert signed_in("call", f"{office.url}/me").out == "welcome "
    assert office.server.generation == 1


@pytest.mark.parametrize(
    ("status", "code"), [(204, 0), (403, 1), (404, 1), (429, 4), (500, 4), (503, 4)]
)
def test_the_class_of_an_answer_is_the_exit_code(signed_in, office, status, code):
    office.api.routes["/x"] = lambda _: (status, {}, b"" if status == 204 else b"body")
    done = signed_in("call", f"{office.url}/x")
    assert done.code == code
    assert done.out == ("" if status == 204 else "body")
    assert (str(status) in done.err) == (code != 0)


def test_refreshing(signed_in, office):
    assert signed_in("refresh").err == "new tokens, good for 15 min\n"
    assert signed_in("token").out == "SECRET-access-1\n"
    office.clock.advance(900)
    assert signed_in("refresh").code == 0
    assert office.server.generation == 2, "once, not twice"


def test_signing_out(signed_in, office):
    assert signed_in("sign-out").err == "signed out\n"
    assert office.server.revoked == ["SECRET-refresh-0"]
    assert signed_in("token").code == 3
    assert signed_in("session").code == 3
    assert signed_in("sign-in", "--password").code == 0, "where it was before"


def test_a_server_that_was_away_at_the_sign_out_is_told_later(signed_in, office):
    office.away = True
    done = signed_in("sign-out")
    assert (done.code, done.err) == (0, "signed out here; the server could not be told yet\n")
    office.away = False
    assert signed_in("session").code == 3
    assert office.server.revoked == ["SECRET-refresh-0"]


def test_several_people(signed_in, office):
    assert signed_in("sign-in", "--account", "bob", "--password").code == 0
    assert json.loads(signed_in("session", "--json").out)["account"] == "bob"
    assert json.loads(signed_in("session", "--json", "--account", "default").out)["account"] == (
        "default"
    )
    assert signed_in("sign-out", "--account", "bob").code == 0
    assert signed_in("token", "--account", "default").code == 0
    assert signed_in("token", "--account", "bob").code == 3
    assert signed_in("token", "--account", "nobody").code == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["token"], 3, "nobody is signed in"),
        (["sign-in"], 2, "--issuer and --client-id"),
        (["sign-in", "--issuer", "http://id.example.com", "--client-id", "x"], 2, "https"),
        (["sign-in", "--password", "--device"], 2, "not allowed"),
        (["nonsense"], 2, "invalid choice"),
        (["call"], 2, "required"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(run, arguments, code, said):
    done = run(*arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("perennial: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["call", "http://api.example.com/"], "https"),
        (["call", "nonsense"], "https"),
        (["call", "https://api.example.com/", "-H", "x"], "NAME: VALUE"),
        (["call", "https://api.example.com/", "-X", "A\tB"], "method"),
    ],
)
def test_a_call_that_cannot_be_made_is_not_made(signed_in, arguments, said):
    done = signed_in(*arguments)
    assert done.code == 2
    assert said in done.err


def test_a_refusal_is_told_from_trouble(run, office):
    office.server.plan.append(answer({"error": "invalid_grant"}, 400))
    assert run("sign-in", *office.client, "--password").code == 1
    office.person.said["error"] = "access_denied"
    assert run("sign-in", *office.client).code == 1
    office.server.plan.append(answer(b"<html>", 502))
    assert run("sign-in", *office.client, "--password").code == 4
    assert run("token").code == 3


def test_trouble_with_the_server_is_for_later(signed_in, office):
    office.clock.advance(900)
    office.away = True
    done = signed_in("token", "--timeout", "0.05")
    assert done.code == 4
    assert done.err.count("\n") == 1
    office.away = False


def test_a_session_that_is_over_needs_a_sign_in(signed_in, office):
    office.clock.advance(900)
    office.server.ended = "session_idle"
    done = signed_in("token")
    assert (done.code, done.out) == (3, "")
    assert "session_idle" in done.err
    assert json.loads(signed_in("session", "--json").out)["reason"] == "session_idle"


def test_no_answer_of_the_api_is_for_later(signed_in, office):
    office.api.close()
    done = signed_in("call", f"{office.url}/me")
    assert done.code == 4
    assert "no answer" in done.err
    office.api.close = lambda: None


def test_a_reader_who_has_seen_enough_is_no_trouble(signed_in, office, monkeypatch, capfd):
    office.api.routes["/long"] = lambda _: (200, {}, b"x" * 1_000_000)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        for command in ["call", f"{office.url}/long"], ["token"]:
            done = signed_in(*command)
            assert (done.code, done.err) == (0, "")


def test_no_command_tells_a_token_but_the_one_that_is_for_it(signed_in, office, caplog):
    commands = [
        ["session"],
        ["session", "--json"],
        ["call", f"{office.url}/me"],
        ["refresh"],
        ["sign-in", "--password"],
        ["sign-in"],
        ["sign-in", "--device"],
        ["sign-out"],
        ["token"],
    ]
    caplog.set_level("DEBUG")
    for command in commands:
        done = signed_in(*command)
        assert "SECRET" not in done.out + done.err, command
    office.server.ended = "session_reused"
    for command in commands:
        done = signed_in(*command)
        assert "SECRET" not in done.err, command
    assert "SECRET" not in caplog.text


def test_it_is_a_program(tmp_path):
    command = [sys.executable, "-m", "perennial", "token"]
    env = {"PATH": os.defpath, "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "perennial: nobody is signed in: use sign-in\n"
