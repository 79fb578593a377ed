import pytest

from clients.python.tests.cli.office import Office


@pytest.fixture
def office():
    made = Office()
    yield made
    made.close()


@pytest.fixture
def run(office, tmp_path, capfd):
    """A command: its exit code, and what it wrote to either stream."""
    return office.runner(tmp_path, capfd)
