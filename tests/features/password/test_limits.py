"""Guessing a password: twenty wrong answers a minute, then 429 until the window has moved on."""

import pytest

from tests.protocol.expect import refused
from tests.site import PASSWORD

LIMIT = 20
MINUTE = 60


def attempt(site, client, name="alice", password="wrong", address="192.0.2.1", **headers):
    site.http.environ_base["REMOTE_ADDR"] = address
    form = {"grant_type": "password", "username": name, "password": password}
    return site.token(client, headers, **form)


def fail(site, client, times=LIMIT, **how):
    for _ in range(times):
        refused(attempt(site, client, **how), "invalid_grant")


@pytest.fixture
def guessed(site):
    """A site where alice's password has been guessed wrong as often as is answered."""
    site.user()
    site.user("bob")
    client = site.client()
    fail(site, client)
    return site, client


@pytest.mark.clause("rfc6749-4.3.2-04", "rfc6819-5.1.4.2.3-01", "rfc6749-10.10-01")
@pytest.mark.clause("rfc6749-10.10-04")
def test_after_twenty_failures_not_even_the_right_password_is_answered(guessed):
    site, client = guessed
    for password in ("wrong", PASSWORD):
        answer = attempt(site, client, password=password)
        refused(answer, "temporarily_unavailable", status=429)
        assert 1 <= int(answer.headers["Retry-After"]) <= MINUTE


def test_who_waits_as_long_as_told_is_answered_again(guessed):
    site, client = guessed
    wait = int(attempt(site, client).headers["Retry-After"])
    site.clock.advance(seconds=wait - 1)
    assert attempt(site, client, password=PASSWORD).status_code == 429
    site.clock.advance(seconds=1)
    assert attempt(site, client, password=PASSWORD).status_code == 200


def test_attempts_during_the_wait_do_not_lengthen_it(guessed):
    site, client = guessed
    for _ in range(10):
        site.clock.advance(seconds=6)
        answer = attempt(site, client, password=PASSWORD)
    assert answer.status_code == 200


def test_another_account_another_address_and_refreshing_are_not_affected(guessed):
    site, client = guessed
    assert attempt(site, client, name="bob", password=PASSWORD).status_code == 200
    elsewhere = attempt(site, client, password=PASSWORD, address="192.0.2.2")
    assert elsewhere.status_code == 200
    site.http.environ_base["REMOTE_ADDR"] = "192.0.2.1"
    assert site.refresh(client, elsewhere.json["refresh_token"]).status_code == 200


@pytest.mark.clause("rfc6749-4.3.2-03")
def test_a_name_that_nobody_has_is_limited_alike(site):
    client = site.client()
    fail(site, client, name="nobody")
    assert attempt(site, client, name="nobody").status_code == 429


@pytest.mark.clause("rfc9700-4.13-01")
def test_neither_another_client_nor_a_forged_address_buys_more_guesses(guessed):
    site, client = guessed
    assert attempt(site, site.client()).status_code == 429
    for forged in ("198.51.100.1", "198.51.100.2, 192.0.2.1"):
        answer = attempt(site, client, **{"X-Forwarded-For": forged, "X-Real-IP": forged})
        assert answer.status_code == 429


def test_behind_a_trusted_proxy_its_word_on_the_address_counts(make_site):
    site = make_site(trusted_proxies=1)
    site.user()
    client = site.client()
    fail(site, client, **{"X-Forwarded-For": "198.51.100.1"})
    answers = {
        address: attempt(site, client, **{"X-Forwarded-For": address}).status_code
        for address in ("198.51.100.1", "198.51.100.9, 198.51.100.1", "198.51.100.2")
    }
    assert list(answers.values()) == [429, 429, 400]


def test_successes_are_never_counted(site):
    site.user()
    client = site.client()
    for _ in range(LIMIT + 5):
        assert attempt(site, client, password=PASSWORD).status_code == 200


def test_a_success_does_not_wipe_out_the_failures(site):
    site.user()
    client = site.client()
    fail(site, client, LIMIT - 1)
    assert attempt(site, client, password=PASSWORD).status_code == 200
    fail(site, client, 1)
    assert attempt(site, client).status_code == 429


def test_the_window_slides(site):
    """Failures spread over a minute: each is forgotten a minute after it happened."""
    site.user()
    client = site.client()
    for _ in range(LIMIT):
        fail(site, client, 1)
        site.clock.advance(seconds=2)
    assert attempt(site, client).status_code == 429
    site.clock.advance(seconds=MINUTE - 2 * LIMIT)
    fail(site, client, 1)
    assert attempt(site, client).status_code == 429
