"""Hosts at the beginning of their lives."""

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest

from tests.services.rollout import bring, establish
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
def host(empty: Site) -> Site:
    """A host after its first start."""
    establish(empty)
    return empty


@pytest.fixture
def other_host(host: Site, tmp_path: Path) -> Iterator[Site]:
    """Another machine on the same database, with a copy of the key directory."""
    folder = tmp_path / "other-keys"
    folder.mkdir(mode=0o700)
    made = Site(str(host.run.settings.database_url), folder)
    for path in host.run.settings.keys_dir.glob("*.*"):
        bring(host, made, path.name)
    yield made
    made.close()
