"""A server, and the clients that the pages in docs/howto make."""

import json

import httpx
import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.guides import block, words
from tests.live import LiveServer


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with LiveServer(tmp_path_factory.mktemp("server")) as live:
        yield live


@pytest.fixture
def register(server):
    """Runs the command of a page; the client, and a person."""

    def run(page: str) -> Account:
        person = enrol(server)
        made = server.cli(*words(block(page, "sh", {}))[1:], "--json")
        assert made.returncode == 0, made.stderr
        shown = json.loads(made.stdout)
        secret = shown.get("client_secret")
        return Account(server.url, shown["client_id"], secret, person.username, person.password)

    return run


@pytest.fixture
def end_sessions(server):
    """By a command. It does not know of a clock that was moved: a week ago is time to be purged."""

    def end(account: Account) -> None:
        httpx.post(f"{server.url}/dev/clock", json={"reset": True}).raise_for_status()
        ended = server.cli("session", "revoke-all", "--user", account.username)
        assert ended.returncode == 0, ended.stderr

    return end
