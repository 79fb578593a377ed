"""Which tests count for coverage. Counting makes a test half as dear again, and one that takes many
turns in few lines ten times, so that it stops where a test goes where others have been: the long
proofs, servers in processes of their own, PostgreSQL where the same test runs on SQLite, and what is
marked `uncounted`.
"""

import sys
import threading
from collections.abc import Generator

import pytest

ELSEWHERE = {
    *("browser", "failover", "faults", "flows", "house", "howto", "model", "origins", "peers"),
    *("races", "turnover", "conformance", "live"),
}


def counts(item: pytest.Item) -> bool:
    apart = item.get_closest_marker("uncounted") or "postgresql" in item.name
    return not apart and not ELSEWHERE & set(item.path.parts)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    counting = sys.gettrace(), threading.gettrace()
    if not any(counting) or counts(item):
        return (yield)
    # Not `Coverage.stop`: in each of several processes there are two, and one would go on.
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(counting[0])
        threading.settrace(counting[1])
