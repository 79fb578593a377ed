"""Live servers of two workers, one on each database, shared by all races."""

from collections.abc import Iterator

import pytest

from tests.live import LiveServer


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("race")
    if request.param == "sqlite":
        with LiveServer(folder, workers=2) as server:
            yield server
        return
    postgresql = request.getfixturevalue("postgresql")
    url = postgresql.create_database()
    with LiveServer(folder, workers=2, database_url=url) as server:
        yield server
    postgresql.drop_database(url)
