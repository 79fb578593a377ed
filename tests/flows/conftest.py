"""One live server for all journeys that leave it running, and what they need of it."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.live import LiveServer
from tests.site import Site


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


@pytest.fixture
def duplicate(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[Site, str], Site]]:
    """Makes a site on a copy of another site's database; both show the same time."""
    with contextlib.ExitStack() as undo:

        def copy(site: Site, name: str) -> Site:
            site.close()
            settings = site.run.settings
            if settings.database_url.startswith("sqlite:"):
                url = f"sqlite:///{_copy_file(settings.database_url, tmp_path / name)}"
            else:
                postgresql = request.getfixturevalue("postgresql")
                url = postgresql.create_database(like=settings.database_url)
                undo.callback(postgresql.drop_database, url)
            made = Site(url, settings.keys_dir)
            undo.callback(made.close)
            made.clock.now = site.clock.now
            return made

        yield copy


def _copy_file(url: str, target: Path) -> Path:
    with (
        contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    return target
