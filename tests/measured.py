"""Which tests count for coverage. Counting doubles what a test costs, so that it stops where a test
goes where others have been: the long proofs, servers in processes of their own, and PostgreSQL where
the same test runs on SQLite.
"""

from collections.abc import Generator

import pytest
from coverage import Coverage

ELSEWHERE = {
    *("browser", "failover", "faults", "flows", "howto", "model", "origins", "peers", "races"),
    *("turnover", "conformance", "live"),
}


def counts(item: pytest.Item) -> bool:
    return "postgresql" not in item.name and not ELSEWHERE & set(item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    coverage = Coverage.current()
    if coverage is None or counts(item):
        return (yield)
    coverage.stop()
    try:
        return (yield)
    finally:
        coverage.start()
