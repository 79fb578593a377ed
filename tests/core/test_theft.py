"""The dossier of a reuse."""

import json
from dataclasses import replace

import pytest

from app.core import theft
from app.core.devices import UNSAID, described
from tests.core.test_rotation import SETTLED

PHONE = described(user_agent="Phone/7", address="192.0.2.7")
SHELL = described(user_agent="curl/8", address="198.51.100.9")


def test_a_dossier_names_both_sides_in_seconds():
    session = replace(SETTLED, generation=5, rotated_at=7_000, user_agent="Phone/7", ip="192.0.2.7")
    found = theft.dossier(session, 2, 99_900, SHELL)
    assert found.rotated == theft.Side(4, 7_000, PHONE)
    assert found.members() == {
        "rotated": {"generation": 4, "at": 7, "ip": "192.0.2.7", "user_agent": "Phone/7"},
        "replayed": {"generation": 2, "at": 99, "ip": "198.51.100.9", "user_agent": "curl/8"},
    }
    assert json.loads(json.dumps(found.members())) == found.members()


def test_what_was_not_said_is_not_invented():
    assert described() == UNSAID
    assert theft.dossier(SETTLED, 1, 0, UNSAID).members()["replayed"] == {
        "generation": 1,
        "at": 0,
        "ip": None,
        "user_agent": None,
    }


@pytest.mark.parametrize(
    ("said", "shown"),
    [("Phone\x1b[2J\n\u202e7", "Phone[2J7"), ("x" * 300, "x" * 200), ("\x00", None)],
    ids=["terminal controls", "too long", "nothing printable"],
)
def test_a_user_agent_is_made_fit_for_a_terminal(said, shown):
    assert described(user_agent=said).user_agent == shown
