"""docs/client/command-line.md: its program, as people start it."""

import subprocess
import sys

import pytest

from clients.python.tests.docs.pages import numbers, run
from tests.guides import block

PAGE = "client/command-line.md"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody waits between two polls."""
    monkeypatch.setattr("perennial.clock.SystemClock.pause", lambda *_: None)


@pytest.fixture
def films(names, capsys):
    """The exit code, and what was written to both streams."""

    def start(*arguments):
        code = run(PAGE, names, *numbers(PAGE))["main"](arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return start


def test_a_person_signs_in_calls_and_signs_out(films, browser):
    assert films("sign-in")[0] == 0
    code, out, _ = films("films")
    assert (code, '"user": "ana"' in out) == (0, True)
    assert films("status") == (0, "active\n", "")
    assert films("sign-out")[0] == 0
    assert films("status") == (3, "signed_out\n", "")


def test_without_a_browser_a_code_is_shown(films, monkeypatch, server):
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    server.configure(device_polls=0)
    code, _, err = films("sign-in")
    assert (code, err) == (0, f"Open {server.url}/portal and enter BCDF\n")


def test_a_code_is_shown_to_whoever_asks_for_one(films, browser, server):
    server.configure(device_polls=0)
    assert "enter BCDF" in films("sign-in", "--device")[2]
    assert browser.opened == []


def test_who_is_not_signed_in_is_told(films):
    assert films("films") == (3, "", "films: sign in first: films sign-in\n")


def test_a_session_that_was_ended_elsewhere_needs_a_person(films, browser, server):
    films("sign-in")
    server.revoke()
    code, _, err = films("films")
    assert (code, err) == (3, "films: sign in first: films sign-in\n")
    assert films("status") == (3, "reauth_required\n", "")


def test_a_server_that_is_away_is_for_later(films, browser, server):
    films("sign-in")
    server.offline()
    code, _, err = films("films")
    assert (code, err.startswith("films: try again later")) == (4, True)


def test_a_client_that_the_server_does_not_know_is_a_fault_of_the_program(films, browser, server):
    films("sign-in")
    server.fault("invalid_client")
    server.expire_access()
    code, _, err = films("films")
    assert (code, err.startswith("films: films is set up wrongly: invalid_client")) == (2, True)


def test_an_api_that_says_no_is_a_refusal(films, browser, names, server):
    films("sign-in")
    names["/films"] = "/forbidden"
    assert films("films")[0] == 1


def test_eight_at_once_refresh_once(films, browser, names, server, tmp_path):
    films("sign-in")
    program = tmp_path / "films.py"
    text = block(PAGE, "python", {})
    for printed, real in names.items():
        text = text.replace(printed, real)
    program.write_text(text)
    server.expire_access()
    command = [sys.executable, str(program), "films"]
    crowd = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(8)]
    said = [each.communicate(timeout=60)[0] for each in crowd]
    assert all(b'"user": "ana"' in each for each in said)
    counts = server.log()["counts"]
    assert (counts["rotations"], counts["family_kills"]) == (1, 0)
