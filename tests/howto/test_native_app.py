"""The program of docs/howto/native-app.md, started again and again."""

import json

import httpx
import pytest

from tests.flows.surfer import Surfer
from tests.guides import block
from tests.needs import NODE_MODULES
from tests.node import running

pytestmark = pytest.mark.needs("node")
PAGE = "howto/native-app.md"


@pytest.fixture
def account(register):
    return register(PAGE)


@pytest.fixture
def start(account, tmp_path):
    """Runs the program to its end; how often a browser was needed."""
    changes = {
        "https://id.example.com": account.url,
        "CLIENT_ID": account.client_id,
        '{ algorithm: "oauth2" }': (
            '{ algorithm: "oauth2", execute: [client.allowInsecureRequests] }'
        ),
    }
    (tmp_path / "app.mjs").write_text(block(PAGE, "js", changes))
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)

    def run(*args: str) -> int:
        opened = 0
        with (
            Surfer(account) as browser,
            running(tmp_path / "app.mjs", *args, env={}, cwd=tmp_path) as node,
        ):
            for line in node.stdout:
                if line.startswith("Open "):
                    opened += 1
                    answer = httpx.get(browser.go(line.removeprefix("Open ").strip()))
                    assert answer.text == "You may close this window."
                else:
                    assert line == "photos:read for 900 seconds\n"
        return opened

    return run


def kept(folder):
    return json.loads((folder / "tokens.json").read_text())


def test_a_browser_is_needed_once(start, tmp_path):
    assert start() == 1
    first = kept(tmp_path)
    assert start() == 0
    second = kept(tmp_path)
    assert second["refresh_token"] != first["refresh_token"]
    assert "key" not in second
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_a_program_killed_before_it_saved_sends_the_same_pair_long_after(start, tmp_path, server):
    start()
    first = kept(tmp_path)
    pair = first | {"key": "a-key-that-was-written-down-first"}
    (tmp_path / "tokens.json").write_text(json.dumps(pair))
    start()
    successor = kept(tmp_path)
    (tmp_path / "tokens.json").write_text(json.dumps(pair))
    httpx.post(f"{server.url}/dev/clock", json={"advance": 7 * 86_400}).raise_for_status()
    assert start() == 0
    assert kept(tmp_path)["refresh_token"] == successor["refresh_token"]


def test_a_session_that_was_ended_needs_a_browser_again(start, account, end_sessions):
    start()
    end_sessions(account)
    assert start() == 1


def test_signing_out_forgets_the_tokens(start, account, server, tmp_path):
    assert start("sign-out") == 1
    assert not (tmp_path / "tokens.json").exists()
    listed = server.cli("session", "list", "--user", account.username, "--json").stdout
    assert '"state": "session_ended"' in listed
