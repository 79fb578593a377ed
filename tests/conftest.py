"""What every test may ask for. Servers start when the first test asks and end with the run."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.quick import less_work
from tests.servers import PostgreSQL, RedisServer
from tests.site import Site, Template

MakeSite = Callable[..., Site]

# For who only wants to know that a test fails: `--hypothesis-profile=first-failure`.
settings.register_profile("first-failure", phases=[Phase.explicit, Phase.generate])


@pytest.fixture(autouse=True, scope="session")
def _less_work() -> Iterator[None]:
    with less_work():
        yield


# --- servers --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, empty database on each of the two systems."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'perennial.db'}"
        return
    server = request.getfixturevalue("postgresql")
    url = server.create_database()
    yield url
    server.drop_database(url)


# --- the product: app, clock, client … ------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("sqlite-template")
    return Template(f"sqlite:///{folder / 'perennial.db'}", folder)


@pytest.fixture(scope="session")
def postgresql_template(
    postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Template:
    return Template(postgresql.create_database(), tmp_path_factory.mktemp("postgresql-template"))


@pytest.fixture
def make_sqlite_site(sqlite_template: Template, tmp_path: Path) -> Iterator[MakeSite]:
    """Sites on one fresh SQLite database; call it again for a second host on the same data."""
    file = tmp_path / "site.db"
    shutil.copyfile(sqlite_template.database_url.removeprefix("sqlite:///"), file)
    yield from _maker(f"sqlite:///{file}", sqlite_template.copy_keys(tmp_path))


@pytest.fixture
def make_postgresql_site(
    postgresql: PostgreSQL, postgresql_template: Template, tmp_path: Path
) -> Iterator[MakeSite]:
    url = postgresql.create_database(like=postgresql_template.database_url)
    yield from _maker(url, postgresql_template.copy_keys(tmp_path))
    postgresql.drop_database(url)


def _maker(url: str, keys: Path) -> Iterator[MakeSite]:
    made: list[Site] = []

    def make(**settings: Any) -> Site:
        made.append(Site(url, keys, **settings))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def make_site(make_sqlite_site: MakeSite) -> MakeSite:
    """For what does not depend on the database: SQLite, because it is quicker."""
    return make_sqlite_site


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture(params=["sqlite", "postgresql"])
def make_any_site(request: pytest.FixtureRequest) -> MakeSite:
    """For what must be the same on both databases."""
    return request.getfixturevalue(f"make_{request.param}_site")


@pytest.fixture
def any_site(make_any_site: MakeSite) -> Site:
    return make_any_site()


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
