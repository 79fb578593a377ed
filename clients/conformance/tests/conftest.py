import pytest

from clients.conformance import Clock, Conformance
from clients.conformance.tests.speaking import Caller


@pytest.fixture
def clock():
    """Stands still until a test moves it."""
    return Clock(lambda: 0.0)


@pytest.fixture
def server(clock):
    with Conformance(clock=clock) as running:
        yield running


@pytest.fixture
def ana(server):
    caller = Caller(server.url)
    assert caller.sign_in().status == 200
    return caller


@pytest.fixture
def counts(server):
    return lambda: server.log()["counts"]
