"""Codes that people type, and how a poll is answered (RFC 8628)."""

from dataclasses import replace

import pytest

from app.core import device
from app.core.device import INTERVAL, JITTER, LETTERS, LIFE, DeviceRequest, Verdict

ASKED = DeviceRequest(
    digest="d",
    user_digest="u",
    client_id="tv",
    scope="read",
    resource="",
    user_agent=None,
    ip=None,
    created_at=1000,
    expires_at=1000 + LIFE,
    interval=INTERVAL,
)


@pytest.mark.clause("rfc8628-6.1-01", "rfc8628-6.1-02")
@pytest.mark.parametrize(
    "typed", ["BCDF-GHJK", "bcdfghjk", " b c d f\tg.h_j!k ", "BCDF\N{EN DASH}GHJK", "aBCDF1GHJKe0"]
)
def test_what_is_no_letter_of_a_code_is_ignored_when_it_is_typed(typed):
    assert device.user_code(typed) == "BCDFGHJK"


@pytest.mark.parametrize("typed", ["", "BCDF-GHJ", "BCDF-GHJK-L", "12345678", "BCDF-GHJ\u017f"])
def test_anything_but_eight_letters_is_no_code(typed):
    assert device.user_code(typed) is None


def test_a_code_is_shown_in_two_halves():
    assert device.shown("BCDFGHJK") == "BCDF-GHJK"
    assert len(set(LETTERS)) == 20
    assert not set(LETTERS) & set("AEIOUY0123456789")


@pytest.mark.clause("rfc8628-3.5-01", "rfc8628-3.5-02")
@pytest.mark.parametrize(
    ("since", "verdict"),
    [
        (0, Verdict.SLOW_DOWN),
        (-1, Verdict.SLOW_DOWN),
        (INTERVAL - JITTER - 1, Verdict.SLOW_DOWN),
        (INTERVAL - JITTER, Verdict.PENDING),
    ],
)
def test_a_poll_before_its_time_is_told_to_slow_down(since, verdict):
    assert device.judge(ASKED, 1000) is Verdict.PENDING, "the first may come at once"
    assert device.judge(replace(ASKED, polled_at=2000), 2000 + since) is verdict


@pytest.mark.clause("rfc8628-3.5-03", "rfc8628-3.5-04", "rfc8628-3.5-05")
def test_what_was_decided_counts_until_the_codes_expire_and_once():
    yes, no = replace(ASKED, allowed=True), replace(ASKED, allowed=False)
    last = ASKED.expires_at - 1
    assert device.judge(replace(yes, polled_at=last), last) is Verdict.ISSUE
    assert device.judge(no, last) is Verdict.DENIED
    for decided in (ASKED, yes, no):
        assert device.judge(decided, last + 1) is Verdict.EXPIRED
    for now in (last, last + 1):
        assert device.judge(replace(yes, redeemed_at=5), now) is Verdict.USED


def test_a_request_shows_nothing_of_itself():
    assert "read" not in repr(ASKED)
