"""Codes and requests: of all that take one, one gets it; what has expired goes."""

from dataclasses import replace

import pytest

from app.store import authorizations
from app.store.authorizations import KEPT, Code, Kind
from tests.protocol.expect import everything

CODE = Code("d1", "client", "https://a.example/", True, "c" * 43, "", "", "user", 0, 5, "b", 60_000)


@pytest.fixture
def connection(any_site):
    with any_site.run.transactions.begin() as connection:
        yield connection


@pytest.mark.clause("rfc6749-4.1.2-04")
def test_a_code_is_redeemed_once_and_in_time(connection):
    authorizations.add_code(connection, CODE)
    assert not authorizations.redeem(connection, "d1", 60_000)
    assert not authorizations.redeem(connection, "d2", 0)
    assert authorizations.redeem(connection, "d1", 59_999)
    assert not authorizations.redeem(connection, "d1", 59_999)
    assert authorizations.find_code(connection, "d1") == replace(CODE, redeemed_at=59_999)


def test_a_code_is_kept_for_a_day_after_its_end(connection):
    authorizations.add_code(connection, CODE)
    authorizations.forget(connection, 60_000 + KEPT - 1)
    assert authorizations.find_code(connection, "d1")
    authorizations.forget(connection, 60_000 + KEPT)
    assert authorizations.find_code(connection, "d1") is None


def test_a_pushed_request_is_taken_once_by_its_owner(connection):
    def take(digest="d1", owner="me", now=9):
        return authorizations.take_pushed(connection, digest, owner, now)

    def see(digest="d1", owner="me", now=9):
        return authorizations.find_request(connection, {Kind.PUSHED}, digest, owner, now)

    authorizations.add_request(connection, Kind.PARKED, "d0", "me", "text", 5, 10)
    authorizations.add_request(connection, Kind.PUSHED, "d1", "me", "text", 5, 10)
    for look in (see, take):
        assert look(digest="d0") is None
        assert look(digest="d2") is None
        assert look(owner="you") is None
        assert look(now=10) is None
    found = see()
    assert found is not None
    assert (found.parameters, found.created_at) == ("text", 5)
    assert take() == found
    assert take() is None
    assert see() is None


@pytest.mark.parametrize("first", [Kind.ALLOWED, Kind.DENIED])
def test_a_parked_request_is_answered_by_its_owner_and_then_for_a_while_the_same(connection, first):
    other = Kind.DENIED if first is Kind.ALLOWED else Kind.ALLOWED

    def answer(kind=first, digest="d1", owner="me", now=9, until=15):
        return authorizations.answer_parked(connection, digest, owner, kind, now, until)

    def found(*kinds, now=9):
        return authorizations.find_request(connection, kinds, "d1", "me", now)

    authorizations.add_request(connection, Kind.PUSHED, "d0", "me", "text", 5, 20)
    authorizations.add_request(connection, Kind.PARKED, "d1", "me", "text", 5, 20)
    assert not answer(digest="d0")
    assert not answer(owner="you")
    assert not answer(now=20)
    assert found(Kind.PARKED)
    assert answer()
    assert not found(Kind.PARKED, other)
    assert not answer(other)
    assert answer(now=14, until=19), "the end does not move"
    assert found(Kind.PARKED, first, now=14)
    assert not found(Kind.PARKED, first, now=15)
    assert not answer(now=15)


def test_an_answer_makes_no_request_last_longer(connection):
    authorizations.add_request(connection, Kind.PARKED, "d1", "me", "text", 5, 10)
    assert authorizations.answer_parked(connection, "d1", "me", Kind.ALLOWED, 9, 15)
    assert not authorizations.find_request(connection, {Kind.ALLOWED}, "d1", "me", 10)


def test_expired_requests_are_forgotten(any_site):
    with any_site.run.transactions.begin() as connection:
        authorizations.add_request(connection, Kind.PARKED, "d1", "me", "", 0, 10)
        authorizations.add_request(connection, Kind.PARKED, "d2", "me", "", 0, 11)
        authorizations.forget(connection, 10)
    assert [row[0] for row in everything(any_site)["authorization_requests"]] == ["d2"]


def test_consent_is_for_one_person_one_client_and_what_was_allowed(any_site):
    user, client = any_site.user(), any_site.client().client
    other = any_site.client().client
    with any_site.run.transactions.begin() as connection:
        for _ in range(2):
            authorizations.remember_consent(
                connection, user.id, client.client_id, {"scope a", "scope b"}, 5
            )

        def allowed(*wanted, user_id=user.id, client_id=client.client_id):
            return authorizations.has_consented(connection, user_id, client_id, wanted)

        assert allowed("scope a")
        assert allowed("scope a", "scope b")
        assert not allowed("scope a", "scope c")
        assert not allowed("scope a", user_id="nobody")
        assert not allowed("scope a", client_id=other.client_id)
