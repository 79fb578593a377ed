"""Promise: ambiguous answers are repeated. Broken: dates and numbers out of range leave `answers.read`
as ValueError or OverflowError, so that the flight dies with a bare SessionError, and no backoff."""

import base64
import json
import threading

import pytest

from clients.python.tests.session.world import answer
from perennial import answers
from perennial.answers import Unsettled
from perennial.record import Granted

LATE = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
ZONE = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"


@pytest.mark.parametrize("date", [LATE, ZONE])
@pytest.mark.parametrize("name", ["retry-after", "date"])
def test_a_date_out_of_range_says_nothing(name, date):
    headers = {"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT", name: date}
    assert isinstance(answers.read(answer({}, 503, **headers), asked_at=1e9), Unsettled)


@pytest.mark.parametrize("exp", [10**400, -(10**400)], ids=["huge", "deep"])
def test_an_exp_out_of_range_says_nothing(exp):
    payload = base64.urlsafe_b64encode(json.dumps({"exp": exp}).encode()).decode().rstrip("=")
    said = {"access_token": f"e30.{payload}.x", "token_type": "Bearer"}
    assert isinstance(answers.read(answer(said), asked_at=1e9), Granted)


def test_waiting_as_long_as_it_takes_is_possible(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    threading.Timer(0.3, party.server.gate.set).start()
    assert session.token(timeout=float("inf")) == "a1"
