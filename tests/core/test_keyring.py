"""Life cycle of signing keys, told by dates alone."""

from dataclasses import replace

import pytest

from app.core import keyring
from app.core.keyring import (
    MARGIN,
    Algorithm,
    AlreadyScheduled,
    Key,
    KeyState,
    Promotion,
    promote,
    state,
)

NOW = 1_800_000_000_000
AGE, LIFE = 300_000, 900_000
SIGNING = Key("signing", Algorithm.RS256, NOW - 10_000_000, AGE, LIFE, signs_from=NOW - 10_000_000)
NEXT = Key("next", Algorithm.RS256, NOW - 10_000_000, AGE, LIFE)
YOUNG = replace(NEXT, created_at=NOW - 1_000)
KEYS = (SIGNING, NEXT)


def states(keys, now) -> dict[str, KeyState]:
    return {key.kid: state(key, keys, now) for key in keys}


def test_a_key_waits_signs_verifies_and_retires_by_its_dates():
    planned = promote(KEYS, NOW, at_once=False)
    assert isinstance(planned, Promotion)
    keys = (*planned.superseded, planned.promoted)
    end = planned.superseded[0].retires_at
    assert end == NOW + LIFE + MARGIN
    before = states(keys, NOW - 1)
    assert before == {"signing": KeyState.ACTIVE, "next": KeyState.NEXT}
    assert states(keys, NOW) == {"signing": KeyState.RETIRING, "next": KeyState.ACTIVE}
    assert states(keys, end - 1) == {"signing": KeyState.RETIRING, "next": KeyState.ACTIVE}
    assert states(keys, end) == {"signing": KeyState.RETIRED, "next": KeyState.ACTIVE}


def test_a_key_nobody_may_know_yet_is_scheduled_for_when_everybody_does():
    planned = promote((SIGNING, YOUNG), NOW, at_once=False)
    assert planned.promoted.signs_from == YOUNG.created_at + AGE + MARGIN
    assert not planned.early()


def test_at_once_is_at_once_and_says_that_it_is_early():
    planned = promote((SIGNING, YOUNG), NOW, at_once=True)
    assert planned.promoted.signs_from == NOW
    assert planned.early()
    assert not promote(KEYS, NOW, at_once=True).early()


def test_a_scheduled_promotion_stands():
    scheduled = replace(YOUNG, signs_from=NOW + 5_000)
    assert promote((SIGNING, scheduled, NEXT), NOW, at_once=False) == AlreadyScheduled(
        "next", NOW + 5_000
    )


def test_at_once_brings_a_scheduled_promotion_forward():
    scheduled = replace(YOUNG, kid="scheduled", signs_from=NOW + 5_000)
    planned = promote((SIGNING, scheduled, NEXT), NOW, at_once=True)
    assert planned.promoted == replace(scheduled, signs_from=NOW)
    assert [key.kid for key in planned.superseded] == ["signing"]


def test_without_a_waiting_key_there_is_nothing_to_promote():
    assert promote((SIGNING,), NOW, at_once=True) is None


def test_the_last_key_whose_time_has_come_signs():
    later = replace(NEXT, signs_from=NOW - 1)
    assert keyring.active((SIGNING, later), NOW) == later
    assert keyring.active((), NOW) is None
    twin = replace(later, kid="a-twin")
    assert keyring.active((twin, later), NOW) == keyring.active((later, twin), NOW)


@pytest.mark.parametrize("change", [{"compromised_at": NOW - 1}, {"retires_at": NOW}])
def test_a_compromised_or_retired_key_never_signs_and_is_not_published(change):
    gone = replace(SIGNING, **change)
    assert keyring.active((gone,), NOW) is None
    assert keyring.published((gone, NEXT), NOW) == [NEXT]


def test_compromise_outranks_every_other_state():
    assert state(replace(SIGNING, compromised_at=1), KEYS, NOW) is KeyState.COMPROMISED


def test_waiting_signing_and_retiring_keys_are_published():
    retiring = replace(SIGNING, kid="old", signs_from=1, retires_at=NOW + 1)
    assert keyring.published((retiring, *KEYS), NOW) == [retiring, *KEYS]


@pytest.mark.parametrize(
    ("key", "acted"),
    [
        (SIGNING, False),
        (replace(SIGNING, created_at=NOW), True),
        (replace(SIGNING, signs_from=NOW), True),
        (replace(SIGNING, signs_from=NOW + 10_000), False),
    ],
)
def test_work_done_since_a_call_began_is_recognised(key, acted):
    assert keyring.acted_since([key], NOW, NOW + 1) is acted


def test_a_longer_token_life_keeps_a_key_that_is_to_be_superseded():
    planned = promote((SIGNING, YOUNG), NOW, at_once=False)
    keys = (*planned.superseded, planned.promoted)
    start = planned.promoted.signs_from
    (kept,) = keyring.prolonged(keys, NOW, 10 * LIFE)
    assert kept == replace(planned.superseded[0], retires_at=start + 10 * LIFE + MARGIN)
    assert keyring.prolonged(keys, NOW, LIFE) == []
    assert keyring.prolonged(KEYS, NOW, 10 * LIFE) == []
    assert keyring.prolonged(keys, start, 10 * LIFE) == []


def test_a_key_made_by_a_clock_that_ran_ahead_is_no_work_done_since():
    ahead = replace(NEXT, created_at=NOW + 3_600_000)
    assert not keyring.acted_since([ahead], NOW, NOW + 1)


def test_who_waited_for_others_is_not_before_what_they_did():
    just_made = replace(NEXT, created_at=NOW + 400)
    assert keyring.caught_up((SIGNING, just_made), NOW) == NOW + 400
    assert keyring.caught_up((SIGNING,), NOW) == NOW
    wrong_clock = replace(NEXT, created_at=NOW + 3_600_000)
    assert keyring.caught_up((SIGNING, wrong_clock), NOW) == NOW
