"""Lifetimes of sessions."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import sessions
from app.core.sessions import (
    DAY,
    SECOND,
    Channel,
    LifetimePolicy,
    Lifetimes,
    State,
    Terms,
    ends,
)
from tests.core.test_rotation import NOW, SETTLED  # the one session of the tables

moments = st.integers(min_value=0, max_value=10**14)
spans = st.integers(min_value=1, max_value=10**12)


@given(moments, spans, spans)
def test_the_idle_end_never_lies_beyond_the_absolute_end(now, idle, absolute):
    both = ends(now, Lifetimes(idle, absolute))
    assert both.idle <= both.absolute == now + absolute


@given(moments, spans, moments)
def test_an_access_token_never_outlives_its_session(now, ttl, expires_at):
    assert sessions.access_token_end(now, ttl, expires_at) <= expires_at
    assert sessions.access_token_end(now, ttl, expires_at) <= now + ttl


@pytest.mark.parametrize(
    ("terms", "absolute"),
    [
        (Terms(), 20),
        (Terms(remember_me=True), 20),
        (Terms(Channel.COOKIE), 30),
        (Terms(Channel.COOKIE, remember_me=True), 40),
        (Terms(first_party=True), 20),
    ],
)
def test_how_long_a_session_may_live_depends_on_how_its_token_travels(terms, absolute):
    policy = LifetimePolicy(idle=10, absolute=20, browser=30, remembered=40)
    assert policy.chosen(terms) == Lifetimes(10, absolute)


@pytest.mark.parametrize(
    ("idle", "absolute", "expected"),
    [
        (None, None, (10, 20, 30, 40)),
        (5, None, (5, 20, 30, 40)),
        (None, 25, (10, 25, 25, 25)),
        (15, 35, (15, 35, 30, 35)),
        (15, 99, (15, 99, 30, 40)),
    ],
)
def test_lifetimes_of_a_client_replace_the_servers_and_lengthen_none_in_a_browser(
    idle, absolute, expected
):
    policy = LifetimePolicy(idle=10, absolute=20, browser=30, remembered=40)
    assert policy.with_own(idle, absolute) == LifetimePolicy(*expected)


def test_ends_are_counted_from_now():
    assert sessions.idle_end(NOW, 5, NOW + 9) == NOW + 5
    assert sessions.access_token_end(NOW, 5, NOW + 9) == NOW + 5


def test_idleness_counts_unless_it_is_left_out():
    idle = replace(SETTLED, idle_expires_at=NOW)
    assert sessions.state(idle, NOW) is State.IDLE
    assert sessions.state(idle, NOW, judge_idle=False) is State.LIVE


def test_a_row_is_kept_a_day_beyond_its_last_token():
    assert sessions.purge_time(NOW, 900 * SECOND) == NOW + 900 * SECOND + DAY


def test_durations_on_the_wire_are_whole_seconds_and_never_negative():
    assert sessions.whole_seconds(1_999) == 1
    assert sessions.whole_seconds(-5) == 0


def test_a_session_lives_until_something_ends_it():
    assert sessions.state(SETTLED, NOW) is State.LIVE


def test_the_resources_of_a_session_are_a_list():
    assert SETTLED.resources == ("https://a.example", "https://b.example")


@given(moments, moments, moments)
def test_both_ends_are_brought_forward_and_never_put_off(idle, absolute, latest):
    session = replace(SETTLED, idle_expires_at=idle, expires_at=absolute)
    assert sessions.ending_by(session, None) == session
    sooner = sessions.ending_by(session, latest)
    assert sooner == replace(
        session, idle_expires_at=min(idle, latest), expires_at=min(absolute, latest)
    )
