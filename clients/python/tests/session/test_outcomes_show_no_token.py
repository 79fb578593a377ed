"""No outcome of a refresh shows a token in its repr."""

from perennial.flow import Overtaken
from perennial.record import Record


def test_no_outcome_shows_a_token():
    assert "cft_" not in repr(Overtaken(Record(), "cft_secret"))
