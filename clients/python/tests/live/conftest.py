import json

import pytest

from clients.python.tests.conformance.members import Processes
from clients.python.tests.live.desk import ACCESS, IDLE, PASSWORD, Desk, Office
from tests.live import LiveServer


@pytest.fixture(scope="package")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("perennial")
    settings = {"PERENNIAL_ACCESS_TOKEN_TTL": str(ACCESS), "PERENNIAL_REFRESH_IDLE_TTL": str(IDLE)}
    with LiveServer(folder, workers=2, env=settings) as server:
        user = server.cli("user", "create", "alice", "--password-stdin", input=PASSWORD + "\n")
        assert user.returncode == 0, user.stderr
        made = server.cli(
            *("client", "create", "--json", "--public", "--first-party", "--name", "Desk"),
            *("--grant", "password", "--grant", "refresh_token", "--scope", "read write"),
        )
        assert made.returncode == 0, made.stderr
        office = Office(server, json.loads(made.stdout)["client_id"])
        yield office
        office.http.close()


@pytest.fixture
def desk(office, tmp_path):
    return Desk(office, tmp_path / "session.json")


@pytest.fixture
def processes():
    made = Processes()
    yield made
    made.end()
