"""One live server for all journeys that leave it running, and what they need of it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.live import LiveServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live"), workers=2) as server:
        yield server


@pytest.fixture(scope="session")
def metadata(server: LiveServer) -> dict[str, str]:
    """What a client learns from discovery; nothing else tells it where to go."""
    return httpx.get(f"{server.url}/.well-known/oauth-authorization-server").json()


@pytest.fixture(scope="session")
def confidential(server: LiveServer) -> Account:
    return enrol(server, grants=("password", "refresh_token", "client_credentials"))


@pytest.fixture(scope="session")
def public(server: LiveServer) -> Account:
    return enrol(server, public=True, first_party=True)
