"""Which secret new tokens come from, on a host that holds some of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import derivation
from app.core.derivation import LONGEST_WAIT, SecretId, SecretState
from app.core.refresh_token import Availability, check_value

K, A, R = SecretState.KNOWN, SecretState.ACTIVE, SecretState.RETIRED


def secret(secret_id: int) -> bytes:
    return bytes([secret_id]) * 32


def entry(secret_id: int, state: SecretState, **dates) -> SecretId:
    return SecretId(secret_id, state, check_value(secret(secret_id)), **dates)


def known(*states: SecretState) -> list[SecretId]:
    return [entry(number, state) for number, state in enumerate(states, 1)]


def files(*ids: int) -> dict[int, bytes]:
    return {id_: secret(id_) for id_ in ids}


@pytest.mark.parametrize(
    ("rows", "held", "derives"),
    [
        ([A], {1}, 1),
        ([A, K], {1, 2}, 1),
        ([K, A], {1, 2}, 2),
        ([K, A], {1}, 1),
        ([K, K, A], {1, 2}, 2),
        ([K, K, A, K], {1, 4}, 1),
        ([R, A], {1, 2}, 2),
        ([A, A], {1, 2}, 2),
    ],
)
def test_the_newest_that_is_here_and_not_beyond_the_active_one_derives(rows, held, derives):
    assert derivation.ring(known(*rows), files(*held)).active == derives


@pytest.mark.parametrize(
    ("rows", "held"),
    [([], set()), ([A], set()), ([K], {1}), ([A, K], {2}), ([R, A], {1}), ([R], {1}), ([], {1})],
)
def test_where_none_is_here_nothing_is_derived(rows, held):
    assert derivation.ring(known(*rows), files(*held)) is None


def test_a_file_that_is_another_secret_counts_as_not_here():
    """Its tokens are asked to come again; to verify them with it would refuse them for good."""
    rows, held = known(K, A), {1: secret(1), 2: secret(9)}
    ring = derivation.ring(rows, held)
    assert (ring.active, set(ring.secrets)) == (1, {1})
    assert ring.availability(2) is Availability.AWAITED
    taken_at_its_word = [SecretId(1, A)]
    assert derivation.ring(taken_at_its_word, {1: secret(9)}).active == 1


@given(
    states=st.lists(st.sampled_from(SecretState), max_size=5),
    held=st.frozensets(st.integers(min_value=1, max_value=7)),
)
def test_a_ring_holds_no_secret_that_is_retired_or_that_the_database_does_not_know(states, held):
    rows = known(*states)
    ring = derivation.ring(rows, files(*held))
    if ring is None:
        return
    in_use = {row.id for row in rows if row.state is not R}
    assert set(ring.secrets) == in_use & held
    assert ring.active in ring.secrets
    assert ring.active <= max(row.id for row in rows if row.state is A)
    for number in range(9):
        retired = 0 <= number <= len(rows) and number not in in_use
        assert (ring.availability(number) is Availability.GONE) == retired


def test_what_is_known_and_newer_than_the_active_one_waits():
    assert [row.id for row in derivation.waiting(known(K, A, R, K, K))] == [4, 5]
    assert derivation.waiting(known(K, A)) == []
    assert [row.id for row in derivation.waiting(known(K))] == [1]


def test_only_a_file_beyond_everything_known_may_be_one_that_was_forgotten():
    assert derivation.unlisted(known(A, R, K), files(1, 2, 3)) == []
    assert derivation.unlisted([entry(1, A), entry(4, R)], files(1, 3, 6, 5, 255)) == [5, 6, 255]
    assert derivation.unlisted(known(A), {256: secret(0)}) == []


def test_a_secret_is_superseded_when_the_next_became_active():
    rows = [
        entry(1, K, activated_at=10),
        entry(2, R),
        entry(3, K, activated_at=30),
        entry(4, A, activated_at=40),
    ]
    assert [derivation.superseded_at(row, rows) for row in rows] == [30, 30, 40, None]


@pytest.mark.parametrize(
    ("dates", "acted"),
    [
        ({"created_at": 99}, False),
        ({"created_at": 100}, True),
        ({"created_at": 1, "activated_at": 99}, False),
        ({"created_at": 1, "activated_at": 100}, True),
        ({"created_at": 200 + LONGEST_WAIT}, True),
        ({"created_at": 201 + LONGEST_WAIT}, False),
    ],
)
def test_an_act_since_a_call_began_is_seen(dates, acted):
    """100 is when the call began, 200 is now."""
    assert derivation.acted_since([entry(1, A, **dates)], 100, 200) is acted
