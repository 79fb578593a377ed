"""docs/client/quickstart.md, from its first line to its last."""

import asyncio
import json

import httpx
import pytest

from clients.python.tests.docs.pages import numbers, run
from perennial import State

PAGE = "client/quickstart.md"
SESSION, SIGN_IN, HTTPX, ASYNC, REQUESTS, URLLIB, HAND, LOOK, SIGN_OUT, ELSEWHERE = numbers(PAGE)


@pytest.fixture
def allowed(names, server):
    return {'=["https://api.example.com"]': f'=["{server.url}"]', **names}


@pytest.fixture
def signed_in(allowed, browser):
    return run(PAGE, allowed, SESSION, SIGN_IN)


def test_the_browser_is_opened_once_and_not_at_the_next_start(allowed, browser, signed_in):
    assert len(browser.opened) == 1
    run(PAGE, allowed, SESSION, SIGN_IN)
    assert len(browser.opened) == 1


def test_each_library_carries_the_token(allowed, signed_in, capsys):
    made = run(PAGE, allowed, HTTPX, ASYNC, REQUESTS, URLLIB, **signed_in)
    assert "'user': 'ana'" in capsys.readouterr().out
    assert asyncio.run(made["films"]())["user"] == "ana"
    assert made["answer"].status != 401
    assert json.loads(made["films_as_json"])["user"] == "ana"


def test_a_refused_token_is_replaced_by_hand(allowed, server, signed_in, counts):
    call = run(PAGE, allowed, HAND, **signed_in)["call"]

    def get(authorization):
        answer = httpx.get(f"{server.url}/api/films", headers={"Authorization": authorization})
        return answer.status_code, answer.json()

    assert call(get)[0] == 200
    server.expire_access()
    assert call(get)[0] == 200
    assert counts()["rotations"] == 1


def test_looking_and_signing_out(allowed, signed_in, counts, capsys):
    made = run(PAGE, allowed, LOOK, SIGN_OUT, **signed_in)
    assert capsys.readouterr().out.startswith("active read\n")
    assert made["session"].state is State.SIGNED_OUT
    assert counts()["alive"] == 0


def test_a_server_without_metadata(allowed, server, counts):
    there = {"https://login.example.com": server.url}
    made = run(PAGE, {**there, **allowed}, SESSION, ELSEWHERE)
    made["elsewhere"].sign_in_with_password("ana", "correct horse")
    assert made["elsewhere"].logout()
    assert counts()["metadata_requests"] == 0
