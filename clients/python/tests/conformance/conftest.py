import pytest

from clients.conformance import Conformance
from clients.python.tests.conformance.members import Processes


@pytest.fixture(scope="session")
def running():
    with Conformance() as made:
        yield made


@pytest.fixture
def server(running):
    running.reset()
    return running


@pytest.fixture
def processes():
    made = Processes()
    yield made
    made.end()
