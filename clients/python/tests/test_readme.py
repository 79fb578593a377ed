"""The page beside this file tells where each group of behaviours is shown."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROWS = re.findall(
    r"^\| (\d+) \| .+ \| (?:(yes) )?\| (.+) \|$", (HERE / "README.md").read_text(), re.MULTILINE
)
SCENARIOS = [
    scenario
    for path in (HERE.parents[1] / "conformance" / "scenarios").glob("*.json")
    for scenario in json.loads(path.read_text())["scenarios"]
]


def test_every_group_has_a_row():
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 40))


@pytest.mark.parametrize(("number", "scenarios", "others"), ROWS)
def test_a_group_is_shown_where_the_page_says(number, scenarios, others):
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", others)
    assert named or "not for Python" in others
    for path, name in named:
        assert f"\ndef {name}(" in (HERE / path).read_text(), name
    covering = [each for each in SCENARIOS if int(number) in each["covers"]]
    assert bool(covering) == (scenarios == "yes")
