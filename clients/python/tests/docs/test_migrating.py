"""docs/client/migrating.md: the same calls before and after, and tokens that move along."""

import asyncio
import json

import pytest

from clients.python.tests.docs.pages import numbers, run
from perennial import State
from perennial.clock import SystemClock

PAGE = "client/migrating.md"
OAUTHLIB, REQUESTS, AUTHLIB, AUTHLIB_ASYNC, HTTPX, BRING = numbers(PAGE)

pytestmark = pytest.mark.filterwarnings(
    "ignore:The httpx module is deprecated"  # Authlib prefers httpx2
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the programs keep their files; plain http is for loopback."""
    monkeypatch.chdir(tmp_path)
    for library in ("OAUTHLIB", "AUTHLIB"):
        monkeypatch.setenv(f"{library}_INSECURE_TRANSPORT", "1")
    return tmp_path


@pytest.fixture
def store(folder, server):
    """Writes what the old program has stored: a token that is good for `seconds` more."""
    import httpx

    def write(seconds=300, **also):
        form = {"grant_type": "password", "username": "ana", "password": "correct horse"}
        answer = httpx.post(f"{server.url}/token", data={**form, "client_id": "conformance"}).json()
        kept = {**answer, "expires_at": SystemClock().wall() + seconds, **also}
        (folder / "tokens.json").write_text(json.dumps(kept))

    return write


def stored(folder):
    return json.loads((folder / "tokens.json").read_text())


@pytest.mark.parametrize("number", [OAUTHLIB, AUTHLIB, AUTHLIB_ASYNC])
def test_the_program_before_refreshes_and_stores(number, names, store, folder, counts):
    store(-30)
    before = stored(folder)
    made = run(PAGE, names, number)
    films = made["films"]
    assert (asyncio.run(films()) if callable(films) else films)["user"] == "ana"
    assert stored(folder)["refresh_token"] != before["refresh_token"]
    assert counts()["rotations"] == 1


@pytest.mark.parametrize("number", [REQUESTS, HTTPX])
@pytest.mark.parametrize("seconds", [-3000, 250])
def test_the_program_after_goes_on_with_what_the_old_one_stored(
    number, seconds, names, store, folder, counts
):
    store(seconds, scope=["read", "write"])
    before = run(PAGE, {**names, "films = api.get": "later = lambda: api.get"}, number)
    after = run(PAGE, names, BRING, **before)
    films = asyncio.run(after["films"]()) if number == HTTPX else after["later"]()
    assert films["user"] == "ana"
    assert after["session"].granted_scope in {"read", "read write"}
    assert after["session"].state is State.ACTIVE
    assert (counts()["forced_sign_ins"], counts()["family_kills"]) == (0, 0)
    assert sorted(each.name for each in folder.glob("tokens*")) == ["tokens.migrated"]


def test_tokens_move_once(names, store, folder):
    store()
    made = run(PAGE, names, HTTPX, BRING)
    first = made["session"].token()
    store()
    run(PAGE, names, HTTPX, BRING)
    assert run(PAGE, names, HTTPX)["session"].token() == first
    assert (folder / "tokens.json").exists()


def test_who_signed_out_is_not_brought_back(names, store):
    store()
    run(PAGE, names, HTTPX, BRING)["session"].logout()
    store()
    assert run(PAGE, names, HTTPX, BRING)["session"].state is State.SIGNED_OUT


def test_a_refused_token_is_the_callers_trouble_before_and_not_after(names, store, server):
    store()
    before = run(PAGE, names, OAUTHLIB)["api"]
    after = run(PAGE, {**names, "films = api.get": "later = lambda: api.get"}, REQUESTS, BRING)
    server.expire_access()
    assert before.get(f"{server.url}/api/films").status_code == 401
    assert after["later"]()["user"] == "ana"
