"""Hosts at the beginning of their lives."""

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest

from tests.conftest import MakeSite
from tests.services.rollout import bring
from tests.services.vaults import Hosts
from tests.site import Site


@pytest.fixture
def empty(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """A migrated database, and a directory that holds nothing."""
    made = Site(database_url, tmp_path / "empty-keys")
    with made.app.app_context():
        flask_migrate.upgrade()
    yield made
    made.close()


@pytest.fixture
def host(make_sqlite_site: MakeSite) -> Site:
    """A host after its first start."""
    return make_sqlite_site()


@pytest.fixture
def two_hosts(make_any_site: MakeSite, tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """Two machines on one database, each with its copy of the key directory, on either system."""
    one = make_any_site()
    folder = tmp_path / "other-keys"
    folder.mkdir(mode=0o700)
    other = Site(str(one.run.settings.database_url), folder)
    for path in one.run.settings.keys_dir.glob("*.*"):
        bring(one, other, path.name)
    yield one, other
    other.close()


@pytest.fixture(params=["directory", "database"])
def hosts(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Hosts]:
    """Hosts of one database and one keystore, on both of each."""
    made = Hosts(database_url, tmp_path, request.param)
    yield made
    made.close()
