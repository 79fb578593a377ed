"""A primary with its standby, and a server that knows both."""

from collections.abc import Iterator

import pytest

from tests.failover.cluster import Pair
from tests.failover.losses import JSON_LINES
from tests.live import LiveServer


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("failover")
    with LiveServer(folder, workers=2, database_url=pair.url, env=JSON_LINES) as server:
        yield server
