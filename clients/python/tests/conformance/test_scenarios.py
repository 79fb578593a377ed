"""Every scenario of clients/conformance, performed by the client as it is shipped."""

import json
from pathlib import Path

import pytest

from clients.conformance import Conformance
from clients.python.tests.conformance.application import Application, InLoop
from clients.python.tests.conformance.run import Run

FOLDER = Path(__file__).parents[3] / "conformance" / "scenarios"
GROUPS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))["scenarios"]
    for path in sorted(FOLDER.glob("*.json"))
}
ALL = [scenario for group in GROUPS.values() for scenario in group]
IN_LOOP = [
    scenario
    for group in ("bodies", "cancelling", "expiry", "offline", "siblings")
    for scenario in GROUPS[group]
]


def name(scenario):
    return scenario["name"]


@pytest.fixture(scope="module")
def server():
    with Conformance() as running:
        yield running


@pytest.mark.parametrize("scenario", ALL, ids=name)
def test_in_threads(server, tmp_path, scenario):
    Run(server, Application, scenario, tmp_path).perform()


@pytest.mark.parametrize("scenario", IN_LOOP, ids=name)
def test_in_tasks(server, tmp_path, scenario):
    Run(server, InLoop, scenario, tmp_path).perform()
