"""Promise: ambiguous answers are repeated. Dates and numbers out of range, and members that are not what
they should be, say nothing, so that no answer leaves `answers.read` as another error.
"""

import base64
import json

import pytest

from clients.python.tests.session.world import answer
from perennial import answers
from perennial.answers import Refused, Unsettled
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


@pytest.mark.parametrize("error", [[], {}, [["invalid_grant"]], "", "a\nb", "\x1b[2J", "x" * 101])
def test_an_error_that_is_none_is_no_oauth(error):
    assert isinstance(answers.read(answer({"error": error}, 400), asked_at=1e9), Unsettled)


@pytest.mark.parametrize("reason", [[], {}, ["session_idle"], 7])
def test_a_reason_that_is_none_is_unknown(reason):
    said = {"error": "invalid_grant", "reason": reason}
    assert answers.read(answer(said, 400), asked_at=1e9) == Refused("invalid_grant")


@pytest.mark.parametrize("status", [200, 400, 503])
def test_an_answer_as_deep_as_the_sea_says_nothing(status):
    body = b'{"error": ' + b"[" * 30_000
    assert isinstance(answers.read(answer(body, status), asked_at=1e9), Unsettled)
