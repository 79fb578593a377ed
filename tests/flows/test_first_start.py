"""Several servers started at one moment on an empty directory become one issuer."""

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.live import LiveServer

SERVERS = 4


def together(calls: list[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


@pytest.fixture
def servers(tmp_path, database_url):
    """Four hosts in one: a directory and a port each, one database and one keystore for all."""
    env = {"PERENNIAL_KEYS_DIR": str(tmp_path / "keys")}
    made = []
    for number in range(SERVERS):
        folder = tmp_path / f"server-{number}"
        folder.mkdir()
        made.append(LiveServer(folder, database_url=database_url, env=env))
        made[-1].env["PERENNIAL_ISSUER"] = made[0].url
    with contextlib.ExitStack() as stack:
        together([lambda server=server: stack.enter_context(server) for server in made])
        yield made
        together([server.stop for server in made])


def test_one_key_signs_and_everyone_serves_the_tokens_of_the_others(servers, tmp_path):
    keys = json.loads(servers[0].cli("keys", "list", "--json").stdout)
    assert sorted(key["state"] for key in keys) == ["active", "next"]
    assert len(list((tmp_path / "keys").glob("*.pem"))) == 2
    assert len(list((tmp_path / "keys").glob("*.secret"))) == 1
    published = [httpx.get(f"{server.url}/.well-known/jwks.json").json() for server in servers]
    assert published == published[:1] * SERVERS
    account = enrol(servers[0])
    callers = [Caller(account, server.url) for server in servers]
    tokens = callers[0].sign_in()
    for caller in [*callers, *callers]:
        answer = caller.refresh(tokens["refresh_token"])
        assert answer.status == 200, answer
        tokens = answer.body
        assert all(other.is_active(tokens["access_token"]) for other in callers)
        assert all(other.is_active(tokens["refresh_token"]) for other in callers)
    for caller in callers:
        caller.close()
