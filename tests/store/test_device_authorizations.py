"""Device authorizations: one decision, one redemption, and the rows go."""

from dataclasses import replace

import pytest

from app.core.device import INTERVAL, DeviceRequest
from app.store import device_authorizations as store
from app.store.device_authorizations import KEPT, Decision
from tests.protocol.expect import everything

ROW = DeviceRequest("d1", "u1", "tv", "read", "", "Box/1", "192.0.2.7", 0, 60_000, INTERVAL)
YES = Decision(True, "alice", 3, 5, "b")
NO = Decision(False, "mallory", 3, 5, "b")


@pytest.fixture
def connection(any_site):
    with any_site.run.rotations.connect() as connection:
        assert store.add(connection, ROW)
        yield connection


def test_a_user_code_is_never_given_twice(connection):
    assert not store.add(connection, replace(ROW, digest="d2"))
    assert store.find(connection, "d2") is None
    assert store.find(connection, "d1") == ROW


def test_a_code_is_found_by_people_until_it_is_decided_or_over(connection):
    assert store.find_open(connection, "u1", 59_999) == ROW
    assert store.find_open(connection, "u1", 60_000) is None
    assert store.find_open(connection, "d1", 0) is None
    assert store.decide(connection, "d1", YES, 9)
    assert store.find_open(connection, "u1", 9) is None


def test_the_first_decision_stands(connection):
    assert not store.decide(connection, "d1", YES, 60_000)
    assert store.decide(connection, "d1", YES, 59_999)
    assert not store.decide(connection, "d1", NO, 59_999)
    found = store.find(connection, "d1")
    assert (found.allowed, found.user_id, found.user_epoch, found.auth_time) == (
        True,
        "alice",
        3,
        5,
    )


@pytest.mark.clause("rfc8628-3.5-05")
def test_only_what_was_allowed_is_redeemed_once_and_in_time(connection):
    assert not store.redeem(connection, "d1", 9), "nobody decided"
    store.decide(connection, "d1", YES, 9)
    assert not store.redeem(connection, "d1", 60_000)
    assert store.redeem(connection, "d1", 59_999)
    assert not store.redeem(connection, "d1", 59_999)
    store.add(connection, replace(ROW, digest="d2", user_digest="u2"))
    store.decide(connection, "d2", NO, 9)
    assert not store.redeem(connection, "d2", 9), "refused"


@pytest.mark.clause("rfc8628-3.5-02")
def test_of_two_polls_at_once_one_is_in_time(connection):
    assert store.polled(connection, ROW, 9)
    assert not store.polled(connection, ROW, 9)
    store.slow_down(connection, "d1", 10)
    store.slow_down(connection, "d1", 11)
    found = store.find(connection, "d1")
    assert (found.polled_at, found.interval) == (11, 15_000)


def test_a_row_goes_an_hour_after_its_end(any_site, connection):
    store.forget(connection, 60_000 + KEPT - 1)
    assert store.find(connection, "d1")
    store.forget(connection, 60_000 + KEPT)
    assert everything(any_site)["device_authorizations"] == []
