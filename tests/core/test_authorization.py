"""Which step comes next, given who is signed in and what was allowed before."""

from dataclasses import replace

import pytest

from app.core.authorization import (
    FRESH_FOR,
    LONGEST_STATE,
    Asked,
    Prompt,
    Step,
    is_fresh,
    is_state,
    max_age,
    may_remember_consent,
    may_skip_consent,
    prompts,
    step,
)
from app.core.clients import AuthMethod, Client

NOW = 1_000_000
CLIENT = Client("c", "C", frozenset({AuthMethod.BASIC}))
PUBLIC = replace(CLIENT, auth_methods=frozenset({AuthMethod.NONE}))
ASKED = Asked(
    client=CLIENT,
    redirect_uri="https://app.example.com/cb",
    redirect_uri_sent=True,
    challenge="x",
    scope="a b",
    resources=("https://r.example",),
    state="secret-state",
    prompts=frozenset(),
    max_age=None,
    login_hint="",
)


def asked(*wanted: Prompt, **more) -> Asked:
    return replace(ASKED, prompts=frozenset(wanted), **more)


@pytest.mark.parametrize(
    ("request_", "auth_time", "just_now", "consented", "expected"),
    [
        (asked(), None, False, True, Step.SIGN_IN),
        (asked(Prompt.NONE), None, False, True, Step.LOGIN_REQUIRED),
        (asked(), NOW, False, True, Step.GRANT),
        (asked(), NOW, False, False, Step.CONSENT),
        (asked(Prompt.NONE), NOW, False, False, Step.CONSENT_REQUIRED),
        (asked(Prompt.NONE), NOW, False, True, Step.GRANT),
        (asked(Prompt.LOGIN), NOW, False, True, Step.SIGN_IN),
        (asked(Prompt.LOGIN), NOW, True, True, Step.GRANT),
        (asked(max_age=0), NOW, False, True, Step.SIGN_IN),
        (asked(max_age=0), NOW, True, True, Step.GRANT),
        (asked(max_age=10), NOW - 10, False, True, Step.GRANT),
        (asked(max_age=10), NOW - 11, False, True, Step.SIGN_IN),
        (asked(Prompt.NONE, max_age=10), NOW - 11, False, True, Step.LOGIN_REQUIRED),
        (asked(Prompt.NONE), None, True, True, Step.LOGIN_REQUIRED),
    ],
)
def test_sign_in_comes_before_consent_and_consent_before_the_code(
    request_, auth_time, just_now, consented, expected
):
    found = step(request_, auth_time=auth_time, just_now=just_now, consented=consented, now=NOW)
    assert found is expected


def test_only_the_owners_clients_are_not_asked_about_and_not_if_they_ask_for_it():
    own = replace(CLIENT, first_party=True)
    assert may_skip_consent(asked(client=own))
    assert not may_skip_consent(asked(Prompt.CONSENT, client=own))
    assert not may_skip_consent(asked())


@pytest.mark.clause("rfc8252-8.6-01", "rfc8252-8.6-02")
def test_earlier_consent_counts_for_who_can_be_told_from_others():
    loopback = "http://127.0.0.1:1/cb"
    assert may_remember_consent(asked())
    assert may_remember_consent(asked(redirect_uri=loopback)), "it has a secret"
    assert may_remember_consent(asked(client=PUBLIC)), "TLS says who it is"
    assert not may_remember_consent(asked(client=PUBLIC, redirect_uri=loopback))
    assert not may_remember_consent(asked(client=PUBLIC, redirect_uri="com.example:/cb"))
    assert not may_remember_consent(asked(Prompt.CONSENT))


def test_consent_is_to_each_scope_and_resource_and_to_none_as_well():
    assert ASKED.covered == {"scope a", "scope b", "resource https://r.example"}
    assert asked(scope="", resources=()).covered == {"scope "}


def test_a_prompt_is_one_that_is_known_and_none_stands_alone():
    assert prompts("") == frozenset()
    assert prompts("login consent") == {Prompt.LOGIN, Prompt.CONSENT}
    assert prompts("none") == {Prompt.NONE}
    for odd in ("none login", "select_account", "LOGIN", "login\tconsent"):
        assert prompts(odd) is None


def test_an_age_is_whole_seconds():
    assert max_age("0") == 0
    assert max_age("300") == 300_000
    for odd in ("", "-1", "+1", "1.5", "1e3", "9" * 10, "\u0663", "5\n"):
        assert max_age(odd) is None


@pytest.mark.clause("rfc6749-A-01")
def test_a_state_is_printable_ascii():
    assert is_state(" ~")
    assert is_state("x" * LONGEST_STATE)
    for odd in ("", "x" * (LONGEST_STATE + 1), "\u00e9", "a\tb", "a\n"):
        assert not is_state(odd)


def test_a_request_that_is_printed_shows_neither_state_nor_challenge():
    assert "secret-state" not in repr(ASKED)
    assert "challenge" not in repr(ASKED)


def test_a_sign_in_is_fresh_for_ten_minutes():
    assert is_fresh(1_000, 1_000 + FRESH_FOR)
    assert not is_fresh(1_000, 1_001 + FRESH_FOR)
    assert FRESH_FOR == 600_000
