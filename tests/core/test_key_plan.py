"""The life cycle of signing keys, computed: what is due at a moment, and what follows from it."""

import random
from dataclasses import replace

import pytest

from app.core import keyring
from app.core.keyring import (
    KEPT,
    MARGIN,
    MOST_RETIRING,
    MOST_WAITING,
    Algorithm,
    Compromise,
    Key,
    KeyState,
    NobodyReady,
    Plan,
    Policy,
    Promotion,
    compromise,
    next_transition,
    plan,
)

NOW = 1_800_000_000_000
AGE, LIFE, INTERVAL = 300_000, 900_000, 30 * 24 * 3_600_000
POLICY = Policy(Algorithm.RS256, INTERVAL, AGE, LIFE)
LEAD = AGE + MARGIN
SIGNING = Key("signing", Algorithm.RS256, NOW - INTERVAL, AGE, LIFE, signs_from=NOW - INTERVAL)
FRESH = replace(SIGNING, signs_from=NOW - 1)
NEXT = Key("next", Algorithm.RS256, NOW - INTERVAL, AGE, LIFE)
YOUNG = replace(NEXT, created_at=NOW)


def test_nothing_is_due_while_one_signs_and_one_waits():
    assert plan((FRESH, NEXT), NOW, POLICY) == Plan()
    assert not plan((FRESH, NEXT), NOW, POLICY)


def test_a_key_is_published_when_none_waits():
    assert plan((FRESH,), NOW, POLICY) == Plan(lacking=1)


def test_after_the_interval_the_next_one_signs_and_another_is_published():
    assert not plan((SIGNING, NEXT), NOW - 1, POLICY)
    due = plan((SIGNING, NEXT), NOW, POLICY)
    assert due.promotion == Promotion(
        replace(NEXT, signs_from=NOW), (replace(SIGNING, retires_at=NOW + LIFE + MARGIN),)
    )
    assert (due.lacking, due.dropped) == (1, ())


def test_a_key_signs_longer_than_the_interval_until_its_successor_is_known():
    assert not plan((SIGNING, YOUNG), NOW + LEAD - 1, POLICY)
    assert plan((SIGNING, YOUNG), NOW + LEAD, POLICY).promotion is not None


def test_the_one_published_first_is_promoted_first():
    due = plan((SIGNING, replace(NEXT, kid="later", created_at=NOW - LEAD), NEXT), NOW, POLICY)
    assert due.promotion.promoted.kid == "next"


def test_a_promotion_that_is_scheduled_is_waited_for():
    scheduled = replace(YOUNG, kid="scheduled", signs_from=NOW + LEAD)
    keys = (replace(SIGNING, retires_at=NOW + LEAD + LIFE + MARGIN), scheduled, NEXT)
    assert not plan(keys, NOW, POLICY)
    assert plan(keys[:2], NOW, POLICY) == Plan(lacking=1)


@pytest.mark.parametrize("change", [{"retires_at": NOW}, {"compromised_at": NOW - 5}])
def test_a_key_that_has_left_is_dropped_once(change):
    gone = replace(SIGNING, kid="gone", **change)
    (dropped,) = plan((gone, FRESH, NEXT), NOW, POLICY).dropped
    assert dropped == replace(gone, dropped_at=NOW)
    assert not plan((dropped, FRESH, NEXT), NOW, POLICY)


def test_a_dropped_key_stays_retired_though_the_clock_is_set_back():
    dropped = replace(SIGNING, retires_at=NOW, dropped_at=NOW)
    assert keyring.state(dropped, (dropped,), NOW - 1) is KeyState.RETIRED
    assert keyring.active((dropped,), NOW - 1) is None


def test_without_a_key_that_signs_nothing_is_promoted_behind_the_operators_back():
    gone = replace(SIGNING, retires_at=NOW)
    assert plan((gone, NEXT), NOW, POLICY) == Plan(dropped=(replace(gone, dropped_at=NOW),))


# --- intervals shorter than what it takes to be known ---------------------------------------------


def test_as_many_wait_as_must_be_published_now_to_be_known_in_their_turn():
    """With an interval of five seconds, and 31 to be known everywhere."""
    policy = Policy(Algorithm.RS256, 5_000, 1_000, 5_000)
    young = replace(FRESH, announced_max_age=1_000, longest_token=5_000, signs_from=NOW)
    assert plan((young,), NOW, policy).lacking == 1 + (31_000 - 5_000) // 5_000


def test_no_interval_fills_the_set_that_verifiers_read():
    policy = Policy(Algorithm.RS256, 1_000, 24 * 3_600_000, 1_000)
    assert plan((replace(FRESH, signs_from=NOW),), NOW, policy).lacking == MOST_WAITING


@pytest.mark.uncounted
def test_no_interval_fills_the_set_with_keys_that_retire():
    """Hundreds would have begun to retire before the first had gone."""
    life = 150_000
    policy = Policy(Algorithm.RS256, 1_000, 1_000, life)
    keys = [Key("0", Algorithm.RS256, NOW, 1_000, life, signs_from=NOW)]
    largest, made, signed = 0, 0, set()
    for now in range(NOW, NOW + 2 * life, 1_000):
        due = plan(keys, now, policy)
        new = {key.kid: key for key in (due.promotion.dates() if due.promotion else ())}
        gone = {key.kid for key in due.dropped}
        keys = [new.get(key.kid, key) for key in keys if key.kid not in gone]
        for _ in range(due.lacking):
            made += 1
            keys.append(Key(str(made), Algorithm.RS256, now, 1_000, life))
        largest = max(largest, len(keyring.published(keys, now)))
        signed.add(keyring.active(keys, now).kid)
        coming = next_transition(keys, now, policy)
        assert coming is None or coming >= now
    assert largest < 100, "as many as perennial.verify reads"
    assert len(signed) > MOST_RETIRING + MOST_WAITING, "they go on turning over"


@pytest.mark.parametrize(
    ("interval", "max_age", "life"),
    [
        pytest.param(5_000, 1_000, 5_000, marks=pytest.mark.uncounted),
        pytest.param(60_000, 300_000, 900_000, marks=pytest.mark.uncounted),
        (INTERVAL, AGE, LIFE),
        (LEAD, AGE, LIFE),
    ],
)
def test_over_a_thousand_rotations_no_verifier_meets_a_key_it_cannot_know(interval, max_age, life):
    """It reads the set at random moments, keeps it as long as anybody was ever told, and tokens
    come at any time. No key leaves before its last token has expired, and none signs before it was
    published for what was announced and the margin.
    """
    chance = random.Random(15)
    policy = Policy(Algorithm.RS256, interval, max_age, life)
    keys = [Key("0", Algorithm.RS256, NOW, max_age, life, signs_from=NOW)]
    now, rotations, made = NOW, 0, 0
    cached: tuple[set[str], int] = (set(), 0)
    last_signed: dict[str, int] = {}
    largest = 0
    while rotations < 1_000:
        due = plan(keys, now, policy)
        if due.promotion is not None:
            rotations += 1
            assert now >= due.promotion.promoted.created_at + max_age + MARGIN
            new = {key.kid: key for key in (due.promotion.promoted, *due.promotion.superseded)}
            keys = [new.get(key.kid, key) for key in keys]
        for key in due.dropped:
            assert last_signed.get(key.kid, 0) + life < now, "its last token has expired"
        dropped = {key.kid for key in due.dropped}
        keys = [key for key in keys if key.kid not in dropped]
        for _ in range(due.lacking):
            made += 1
            keys.append(Key(str(made), Algorithm.RS256, now, max_age, life))
        largest = max(largest, len(keys))
        shown = {key.kid for key in keyring.published(keys, now)}
        signing = keyring.active(keys, now).kid
        if not cached[1] > now or chance.random() < 0.1:
            cached = (shown, now + max_age)
        if rotations > MOST_WAITING:  # the first keys had no time to become known
            assert signing in cached[0], "a verifier that keeps what it may keep knows the key"
        last_signed[signing] = now
        assert {kid for kid, at in last_signed.items() if at + life > now} <= shown
        now += chance.randrange(1, max(2, interval // 4))
    assert largest <= 2 + MOST_WAITING + (life + MARGIN) // interval + 1


# --- another algorithm ----------------------------------------------------------------------------

ES256 = replace(POLICY, alg=Algorithm.ES256)


def test_a_new_algorithm_gets_a_key_of_its_own_that_signs_as_soon_as_it_is_known():
    assert plan((FRESH, NEXT), NOW, ES256) == Plan(lacking=1)
    wanted = Key("ec", Algorithm.ES256, NOW, AGE, LIFE)
    assert not plan((FRESH, NEXT, wanted), NOW + LEAD - 1, ES256)
    due = plan((FRESH, NEXT, wanted), NOW + LEAD, ES256)
    assert due.promotion.promoted.kid == "ec"
    assert [key.kid for key in due.promotion.superseded] == ["signing"]


def test_a_waiting_key_of_the_old_algorithm_goes_once_the_new_one_signs():
    signing = Key("ec", Algorithm.ES256, NOW - LEAD, AGE, LIFE, signs_from=NOW)
    waits = Key("ec2", Algorithm.ES256, NOW, AGE, LIFE)
    due = plan((signing, waits, NEXT), NOW, ES256)
    assert due == Plan(dropped=(replace(NEXT, retires_at=NOW, dropped_at=NOW),))


def test_a_rotation_by_hand_prefers_the_wanted_algorithm():
    wanted = Key("ec", Algorithm.ES256, NOW, AGE, LIFE)
    promoted = keyring.promote((FRESH, NEXT, wanted), NOW, at_once=True, alg=Algorithm.ES256)
    assert promoted.promoted.kid == "ec"
    fallback = keyring.promote((FRESH, NEXT), NOW, at_once=True, alg=Algorithm.ES256)
    assert fallback.promoted.kid == "next"


# --- the next transition --------------------------------------------------------------------------


def test_caches_are_told_of_the_next_moment_a_key_begins_or_leaves():
    assert next_transition((FRESH, NEXT), NOW, POLICY) == NOW - 1 + INTERVAL
    retiring = replace(SIGNING, kid="old", signs_from=1, retires_at=NOW + 77)
    assert next_transition((retiring, FRESH, NEXT), NOW, POLICY) == NOW + 77
    scheduled = replace(YOUNG, signs_from=NOW + 33)
    assert next_transition((retiring, FRESH, scheduled), NOW, POLICY) == NOW + 33
    assert next_transition((SIGNING, YOUNG), NOW, POLICY) == NOW + LEAD
    assert next_transition((SIGNING,), NOW, POLICY) is None
    assert next_transition((), NOW, POLICY) is None


# --- compromise -----------------------------------------------------------------------------------


def lost(key: Key) -> Key:
    return replace(key, compromised_at=NOW, dropped_at=NOW)


def test_the_next_key_that_everybody_knows_takes_the_place_of_a_compromised_one():
    verdict = compromise((SIGNING, YOUNG, replace(NEXT, kid="known")), SIGNING, NOW)
    assert verdict == Compromise(lost(SIGNING), (), replace(NEXT, kid="known", signs_from=NOW))


def test_an_older_key_does_not_come_back_in_the_place_of_a_compromised_one():
    retiring = replace(SIGNING, kid="old", signs_from=1, retires_at=NOW + 5)
    keys = (retiring, FRESH, NEXT)
    verdict = compromise(keys, FRESH, NOW)
    after = (retiring, verdict.lost, verdict.promoted)
    assert keyring.active(after, NOW).kid == "next"
    assert retiring in keyring.published(after, NOW)


def test_a_key_that_signs_stays_while_nobody_may_take_its_place():
    assert compromise((SIGNING, YOUNG), SIGNING, NOW) == NobodyReady(NOW + LEAD)
    assert compromise((SIGNING,), SIGNING, NOW) == NobodyReady(None)


def test_a_key_that_does_not_sign_just_goes():
    retiring = replace(SIGNING, kid="old", signs_from=1, retires_at=NOW + 5)
    for key in (retiring, NEXT):
        assert compromise((retiring, SIGNING, NEXT), key, NOW) == Compromise(lost(key))


def test_with_a_scheduled_key_goes_the_end_of_the_one_it_was_to_follow():
    """Or the key that signs would leave the set with nobody in its place."""
    scheduled = replace(YOUNG, kid="scheduled", signs_from=NOW + LEAD)
    ending = replace(SIGNING, retires_at=NOW + LEAD + LIFE + MARGIN)
    verdict = compromise((ending, scheduled, NEXT), scheduled, NOW)
    assert verdict == Compromise(lost(scheduled), (SIGNING,), None)


def test_a_scheduled_key_waits_again_when_another_has_taken_over():
    """Two successions at once would leave the first one without an end."""
    scheduled = replace(YOUNG, kid="scheduled", signs_from=NOW + LEAD)
    verdict = compromise((SIGNING, scheduled, NEXT), SIGNING, NOW)
    assert verdict.promoted == replace(NEXT, signs_from=NOW)
    assert verdict.changed == (replace(scheduled, signs_from=None),)


def test_a_scheduled_key_that_is_known_takes_over_at_once():
    scheduled = replace(NEXT, kid="scheduled", signs_from=NOW + 5)
    verdict = compromise((SIGNING, scheduled, NEXT), SIGNING, NOW)
    assert verdict == Compromise(lost(SIGNING), (), replace(scheduled, signs_from=NOW))


def test_a_key_is_remembered_for_three_months():
    assert KEPT == 90 * 24 * 3_600_000
