"""Outcomes are values that may be logged."""

from app.core.outcomes import Issued


def test_an_outcome_shows_no_token():
    issued = Issued(access_token="a-secret", expires_in=900, scope="read", refresh_token="another")
    assert repr(issued) == "Issued(scope='read', expires_in=900)"
