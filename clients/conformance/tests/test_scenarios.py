import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from clients.conformance.configuration import Configuration, Mode
from clients.conformance.conformance import OPERATIONS
from clients.conformance.faults import KINDS, Fault
from clients.conformance.tests.schema import faults

HERE = Path(__file__).parents[1]
SCHEMA = json.loads((HERE / "scenario.schema.json").read_text(encoding="utf-8"))
README = (HERE / "README.md").read_text(encoding="utf-8")
FILES = sorted((HERE / "scenarios").glob("*.json"))
GROUPS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
SCENARIOS = [scenario for group in GROUPS.values() for scenario in group["scenarios"]]
DEFS = SCHEMA["$defs"]
STEPS = {
    choice["$ref"].rpartition("/")[2]
    for choice in DEFS["scenario"]["properties"]["steps"]["items"]["oneOf"]
}


def section(title):
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def steps(kind):
    return [step for scenario in SCENARIOS for step in scenario["steps"] if step["do"] == kind]


@pytest.mark.parametrize("group", GROUPS)
def test_every_scenario_matches_the_schema(group):
    assert faults(SCHEMA, GROUPS[group], SCHEMA) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"do": "nonsense"},
        {"do": "advance"},
        {"do": "advance", "seconds": "many"},
        {"do": "call", "path": "/elsewhere"},
        {"do": "call", "times": 0},
        {"do": "call", "expect": {"error": "nonsense"}},
        {"do": "expect_log", "counts": {"nonsense": 1}},
    ],
)
def test_the_schema_refuses_what_is_no_step(wrong):
    scenario = {"name": "n", "why": "w.", "covers": [1], "steps": [{"do": "sign_in"}, wrong]}
    assert faults(SCHEMA, {"group": "g", "scenarios": [scenario]}, SCHEMA) != []


def test_every_name_is_there_once():
    names = [scenario["name"] for scenario in SCENARIOS]
    assert sorted(names) == sorted(set(names))


def test_every_behaviour_has_a_scenario_and_every_scenario_a_behaviour():
    listed = re.findall(r"^\| ([\d, ]+) \|", section("Behaviours"), re.MULTILINE)
    covered = {number for scenario in SCENARIOS for number in scenario["covers"]}
    assert covered == {int(number) for row in listed for number in row.split(", ")}


def test_every_scenario_expects_something():
    idle = [
        scenario["name"]
        for scenario in SCENARIOS
        if not any(
            step["do"].startswith("expect_") or "expect" in step for step in scenario["steps"]
        )
        and not any(step["do"] == "call" for step in scenario["steps"])
    ]
    assert idle == []


def test_every_kind_of_step_is_used_and_documented():
    used = {step["do"] for scenario in SCENARIOS for step in scenario["steps"]}
    assert used == STEPS
    assert set(re.findall(r"^\| `([a-z_]+)`.* \|$", section("Steps"), re.MULTILINE)) == STEPS


def test_what_is_joined_or_cancelled_was_begun():
    odd = [
        scenario["name"]
        for scenario in SCENARIOS
        if not {step["of"] for step in scenario["steps"] if "of" in step}
        <= {step.get("background") for step in scenario["steps"]}
    ]
    assert odd == []


def test_the_schema_and_the_server_use_the_same_words(server):
    assert DEFS["server"]["properties"].keys() == {field.name for field in fields(Configuration)}
    assert DEFS["server"]["properties"]["mode"]["enum"] == list(Mode)
    assert DEFS["fault"]["properties"]["fault"]["enum"] == list(KINDS)
    options = DEFS["fault"]["properties"].keys() - {"fault"}
    assert options == {field.name for field in fields(Fault)} - {"seen"}
    assert DEFS["control"]["properties"]["operation"]["enum"] == list(OPERATIONS)
    assert set(DEFS["counts"]["propertyNames"]["enum"]) == server.log()["counts"].keys()


def test_the_server_takes_every_configuration_and_every_fault(server):
    for scenario in SCENARIOS:
        server.reset(**scenario.get("server", {}))
    for step in steps("fault"):
        server.fault(step["fault"], **{k: v for k, v in step.items() if k not in {"do", "fault"}})


@pytest.mark.parametrize("title", ["Faults", "Configuration", "Control", "Counts"])
def test_the_page_explains_every_word_of_the_server(server, title):
    words = {
        "Faults": [*KINDS, *DEFS["fault"]["properties"].keys() - {"do", "fault"}],
        "Configuration": DEFS["server"]["properties"],
        "Control": OPERATIONS,
        "Counts": server.log()["counts"],
    }
    assert [word for word in words[title] if f"`{word}`" not in section(title)] == []
