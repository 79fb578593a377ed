"""Every row of the decision table, in its order, on the pure function."""

from dataclasses import replace

import pytest

from app.core import rotation
from app.core.binding import Binding, Proof
from app.core.refresh_token import Authenticity, Availability, RefreshToken, parse
from app.core.rotation import (
    Heal,
    Policy,
    Presented,
    Refusal,
    Refuse,
    Repeat,
    Reuse,
    Rotate,
    Rule,
    judge,
)
from app.core.sessions import Channel, EndReason, Session, State
from tests.core.rings import single_secret

NOW = 1_800_000_000_000
W = 60_000
POLICY = Policy(window=W)
STRICT = Policy(window=0)
SID = b"s" * 16

# Generation 5 has been current for ten minutes: far outside W.
SETTLED = Session(
    sid=SID,
    public_id="public",
    salt=b"p" * 32,
    secret_id=1,
    generation=5,
    rotated_at=NOW - 600_000,
    rotation_key_hash=None,
    idle_ttl=86_400_000,
    idle_expires_at=NOW + 86_400_000,
    expires_at=NOW + 864_000_000,
    revoked_at=None,
    revoke_reason=None,
    client_id="web",
    user_id="alice",
    user_epoch=0,
    scope="read write",
    resource="https://a.example https://b.example",
    binding=Binding.NONE,
    channel=Channel.BODY,
    auth_time=NOW - 3_600_000,
    current_epoch=0,
    user_disabled_at=None,
)
FRESH = replace(SETTLED, rotated_at=NOW - 10_000)
BOUND = replace(SETTLED, binding=Binding.JKT)
KEY = rotation.key_hash(SID, "k" * 16)
OTHER_KEY = rotation.key_hash(SID, "o" * 16)
KEYED = replace(SETTLED, rotation_key_hash=KEY)

CURRENT = Presented(
    generation=5,
    authenticity=Authenticity.GENUINE,
    successor=Availability.HELD,
    client_id="web",
)
PARENT = replace(CURRENT, generation=4)
ANCESTOR = replace(CURRENT, generation=3)
AHEAD = replace(CURRENT, generation=8)
PROVEN = replace(CURRENT, proof=Proof.PROVEN)


def test_r1_an_unknown_session_is_refused():
    assert judge(None, CURRENT, NOW, POLICY) == Refuse(Rule.R1_UNKNOWN, Refusal.UNKNOWN_SESSION)


@pytest.mark.clause("rfc6749-6-05", "rfc6749-10.4-03")
@pytest.mark.parametrize(
    ("presented", "why"),
    [
        (replace(CURRENT, authenticity=Authenticity.FORGED), Refusal.FORGED),
        (replace(CURRENT, authenticity=Authenticity.LOST), Refusal.SECRET_GONE),
        (replace(CURRENT, client_id="other"), Refusal.OTHER_CLIENT),
        (replace(CURRENT, channel=Channel.COOKIE), Refusal.OTHER_CHANNEL),
        (replace(CURRENT, first_party=True), Refusal.OTHER_INTERFACE),
    ],
)
def test_r1_a_token_that_is_not_the_holders_is_refused_whatever_its_session_is(presented, why):
    ended = replace(SETTLED, revoked_at=NOW)
    for session in (SETTLED, FRESH, ended):
        assert judge(session, presented, NOW, POLICY) == Refuse(Rule.R1_UNKNOWN, why)


def test_r1_the_first_party_api_serves_what_was_begun_there_and_is_not_bound():
    own, asked = replace(SETTLED, first_party=True), replace(CURRENT, first_party=True)
    assert judge(own, asked, NOW, POLICY) == Rotate(6)
    assert judge(own, CURRENT, NOW, POLICY) == Rotate(6), "the token endpoint serves it too"
    bound = replace(own, binding=Binding.JKT)
    refused = Refuse(Rule.R1_UNKNOWN, Refusal.OTHER_INTERFACE)
    for proof in Proof:
        assert judge(bound, replace(asked, proof=proof), NOW, POLICY) == refused
    assert judge(bound, replace(CURRENT, proof=Proof.PROVEN), NOW, POLICY) == Rotate(6)


@pytest.mark.parametrize("proof", [Proof.FAILED, Proof.NOT_REQUIRED])
def test_r1b_a_bound_session_asks_for_its_proof_before_anything_is_told(proof):
    ended = replace(BOUND, revoked_at=NOW)
    for session in (BOUND, ended):
        verdict = judge(session, replace(CURRENT, proof=proof), NOW, POLICY)
        assert verdict == Refuse(Rule.R1B_UNPROVEN, Refusal.PROOF_FAILED)
    assert judge(BOUND, PROVEN, NOW, POLICY) == Rotate(6)


def test_r1c_a_token_that_cannot_be_verified_yet_is_asked_to_come_again():
    undecided = replace(CURRENT, authenticity=Authenticity.UNDECIDED)
    ended = replace(SETTLED, revoked_at=NOW)
    for session in (SETTLED, ended):
        verdict = judge(session, undecided, NOW, POLICY)
        assert verdict == Refuse(Rule.R1C_SECRET_AWAITED, Refusal.SECRET_AWAITED)


def test_r1c_a_successor_that_cannot_be_derived_yet_is_asked_for_again():
    awaited = replace(PARENT, successor=Availability.AWAITED)
    verdict = judge(FRESH, awaited, NOW, POLICY)
    assert verdict == Refuse(Rule.R1C_SECRET_AWAITED, Refusal.SECRET_AWAITED)


def test_r1_a_successor_that_can_never_be_derived_again_is_refused():
    gone = replace(PARENT, successor=Availability.GONE)
    assert judge(FRESH, gone, NOW, POLICY) == Refuse(Rule.R1_UNKNOWN, Refusal.SECRET_GONE)


def test_a_rotation_needs_no_successor_of_the_old_secret():
    gone = replace(CURRENT, successor=Availability.GONE)
    assert judge(SETTLED, gone, NOW, POLICY) == Rotate(6)


@pytest.mark.clause("rfc6749-6-06")
@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"revoked_at": NOW - 1, "revoke_reason": EndReason.CLIENT}, State.ENDED),
        ({"revoked_at": NOW - 1, "revoke_reason": EndReason.REUSE}, State.REUSED),
        ({"expires_at": NOW}, State.EXPIRED),
        ({"idle_expires_at": NOW}, State.IDLE),
        ({"user_disabled_at": NOW - 1}, State.ENDED),
        ({"current_epoch": 1}, State.ENDED),
    ],
)
def test_r2_a_session_that_is_over_is_refused_for_every_generation(change, state):
    session = replace(SETTLED, **change)
    for presented in (CURRENT, PARENT, ANCESTOR):
        assert judge(session, presented, NOW, POLICY) == Refuse(Rule.R2_OVER, Refusal.OVER, state)


def test_r2_the_ends_are_exclusive():
    last_moment = replace(SETTLED, idle_expires_at=NOW + 1, expires_at=NOW + 1)
    assert judge(last_moment, CURRENT, NOW, POLICY) == Rotate(6)


def test_r2_idleness_is_not_judged_by_a_row_that_is_older_than_the_token():
    idle = replace(SETTLED, idle_expires_at=NOW - 1)
    assert judge(idle, AHEAD, NOW, POLICY) == Heal(9)
    expired = replace(SETTLED, expires_at=NOW - 1)
    verdict = judge(expired, AHEAD, NOW, POLICY)
    assert verdict == Refuse(Rule.R2_OVER, Refusal.OVER, State.EXPIRED)


@pytest.mark.clause("rfc9700-4.14.2-06")
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_r7_every_ancestor_is_reuse_also_inside_the_window(generation):
    presented = replace(CURRENT, generation=generation, key_hash=KEY)
    for session in (SETTLED, FRESH, replace(FRESH, rotation_key_hash=KEY)):
        assert judge(session, presented, NOW, POLICY) == Reuse(5 - generation)


def test_r7_the_parent_is_reuse_after_the_window():
    at_the_edge = replace(SETTLED, rotated_at=NOW - W)
    assert judge(at_the_edge, PARENT, NOW, POLICY) == Repeat(Rule.R6_IN_WINDOW)
    past_it = replace(SETTLED, rotated_at=NOW - W - 1)
    assert judge(past_it, PARENT, NOW, POLICY) == Reuse(1)


def test_r7_is_judged_before_the_scope_it_asks_for():
    greedy = replace(ANCESTOR, scope="admin", resources=("https://evil.example",))
    assert judge(SETTLED, greedy, NOW, POLICY) == Reuse(2)


@pytest.mark.clause("rfc6749-6-02")
@pytest.mark.parametrize("scope", ["read admin", "admin", "read  write", "réad", "read write "])
@pytest.mark.parametrize("presented", [CURRENT, PARENT, AHEAD])
def test_r3_a_scope_that_was_not_granted_is_refused(scope, presented):
    verdict = judge(FRESH, replace(presented, scope=scope), NOW, POLICY)
    assert verdict == Refuse(Rule.R3_TOO_WIDE, Refusal.SCOPE_TOO_WIDE)


@pytest.mark.clause("rfc8707-2.2-02")
def test_r3_a_resource_that_was_not_granted_is_refused():
    wanted = ("https://a.example", "https://c.example")
    verdict = judge(SETTLED, replace(CURRENT, resources=wanted), NOW, POLICY)
    assert verdict == Refuse(Rule.R3_TOO_WIDE, Refusal.RESOURCE_TOO_WIDE)


def test_r3_a_part_of_what_was_granted_is_enough():
    part = replace(CURRENT, scope="read", resources=("https://b.example",))
    assert judge(SETTLED, part, NOW, POLICY) == Rotate(6)


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(0, Repeat(Rule.R4_TOO_SOON)), (4_999, Repeat(Rule.R4_TOO_SOON)), (5_000, Rotate(6))],
)
def test_r4_a_current_token_younger_than_the_interval_is_repeated(age, verdict):
    session = replace(SETTLED, rotated_at=NOW - age)
    assert judge(session, CURRENT, NOW, Policy(W, min_interval=5_000)) == verdict


def test_r4_the_first_refresh_always_rotates():
    first = replace(SETTLED, generation=1, rotated_at=NOW)
    verdict = judge(first, replace(CURRENT, generation=1), NOW, Policy(W, min_interval=5_000))
    assert verdict == Rotate(2)


def test_r4_a_cookie_session_repeats_for_half_the_window():
    session = replace(SETTLED, channel=Channel.COOKIE, rotated_at=NOW - W // 2 + 1)
    presented = replace(CURRENT, channel=Channel.COOKIE)
    assert judge(session, presented, NOW, POLICY) == Repeat(Rule.R4_TOO_SOON)
    older = replace(session, rotated_at=NOW - W // 2)
    assert judge(older, presented, NOW, POLICY) == Rotate(6)


def test_r4_holds_from_the_first_rotation_on():
    second = replace(SETTLED, generation=2, rotated_at=NOW)
    verdict = judge(second, replace(CURRENT, generation=2), NOW, Policy(W, min_interval=5_000))
    assert verdict == Repeat(Rule.R4_TOO_SOON)


@pytest.mark.parametrize("presented", [PARENT, replace(PARENT, key_hash=KEY)], ids=["R6", "R6k"])
def test_the_shortest_window_is_a_window(presented):
    """Only zero is the strict profile."""
    millisecond = replace(KEYED, rotated_at=NOW - (1 if presented.key_hash is None else 9))
    assert isinstance(judge(millisecond, presented, NOW, Policy(window=1)), Repeat)


def test_the_interval_is_the_clients_and_half_the_window_for_cookies():
    assert Policy(window=W).interval(Channel.BODY) == 0
    assert Policy(window=W, min_interval=7).interval(Channel.BODY) == 7
    odd = Policy(window=5).interval(Channel.COOKIE)
    assert (odd, type(odd)) == (2, int), "whole milliseconds"


def test_the_interval_never_exceeds_the_window():
    assert Policy(window=10_000, min_interval=60_000).interval(Channel.BODY) == 10_000
    assert Policy(window=0, min_interval=60_000).interval(Channel.COOKIE) == 0


@pytest.mark.clause("rfc6749-6-07")
def test_r5_the_current_token_rotates():
    assert judge(SETTLED, CURRENT, NOW, POLICY) == Rotate(6)
    assert judge(FRESH, CURRENT, NOW, STRICT) == Rotate(6)


def test_r6_the_parent_gets_the_same_successor_inside_the_window():
    assert judge(FRESH, PARENT, NOW, POLICY) == Repeat(Rule.R6_IN_WINDOW)


def test_a_clock_that_stepped_back_makes_nothing_older():
    later = replace(SETTLED, rotated_at=NOW + 3_600_000)
    assert rotation.age(later, NOW) == 0
    assert judge(later, PARENT, NOW, POLICY) == Repeat(Rule.R6_IN_WINDOW)


def test_r6k_the_key_of_the_rotation_opens_at_any_time():
    presented = replace(PARENT, key_hash=KEY)
    assert judge(KEYED, presented, NOW, POLICY) == Repeat(Rule.R6K_SAME_REQUESTER)


@pytest.mark.parametrize("key_hash", [None, OTHER_KEY])
def test_r6k_another_key_or_none_does_not(key_hash):
    assert judge(KEYED, replace(PARENT, key_hash=key_hash), NOW, POLICY) == Reuse(1)
    assert judge(SETTLED, replace(PARENT, key_hash=key_hash), NOW, POLICY) == Reuse(1)


def test_r6k_a_bound_session_opens_at_any_time_for_whoever_proves_the_key():
    presented = replace(PROVEN, generation=4)
    assert judge(BOUND, presented, NOW, POLICY) == Repeat(Rule.R6K_SAME_REQUESTER)
    assert judge(BOUND, presented, NOW, STRICT) == Repeat(Rule.R6K_SAME_REQUESTER)


def test_r6k_a_client_registered_until_used_opens_at_any_time():
    policy = Policy(W, until_used=True)
    assert judge(SETTLED, PARENT, NOW, policy) == Repeat(Rule.R6K_SAME_REQUESTER)
    assert judge(SETTLED, ANCESTOR, NOW, policy) == Reuse(2)


@pytest.mark.clause("asvs5-v10-10.4.5-02")
def test_the_strict_profile_knows_neither_window_nor_keys():
    fresh = replace(KEYED, rotated_at=NOW)
    for policy in (STRICT, Policy(0, until_used=True)):
        assert judge(fresh, replace(PARENT, key_hash=KEY), NOW, policy) == Reuse(1)


def test_r8_a_token_ahead_of_the_row_heals_it():
    assert judge(SETTLED, AHEAD, NOW, POLICY) == Heal(9)
    assert judge(FRESH, AHEAD, NOW, STRICT) == Heal(9)


def test_a_rotation_remembers_its_key():
    presented = replace(CURRENT, key_hash=KEY)
    assert rotation.remembered_key(SETTLED, presented) == KEY
    assert rotation.remembered_key(replace(SETTLED, rotation_key_hash=OTHER_KEY), presented) == KEY


def test_a_rotation_without_a_key_forgets_the_one_before():
    assert rotation.remembered_key(KEYED, CURRENT) is None


def test_a_key_that_is_sent_again_and_again_proves_nothing():
    assert rotation.remembered_key(KEYED, replace(CURRENT, key_hash=KEY)) is None


def test_the_same_key_of_another_session_is_another_hash():
    assert rotation.key_hash(b"a" * 16, "k" * 16) != rotation.key_hash(b"b" * 16, "k" * 16)


def test_a_request_is_reduced_to_what_is_judged():
    ring = single_secret(b"x" * 32)
    token = parse(ring.mint(1, SID, SETTLED.salt, 5))
    assert token is not None
    asked = {"key": "k" * 16, "scope": "read", "wanted": ("https://a.example",)}
    assert rotation.present(token, ring, SETTLED, "web", **asked) == Presented(
        generation=5,
        authenticity=Authenticity.GENUINE,
        successor=Availability.HELD,
        client_id="web",
        key_hash=KEY,
        scope="read",
        resources=("https://a.example",),
    )
    plain = rotation.present(token, ring, replace(SETTLED, secret_id=2), "web")
    assert plain == replace(CURRENT, successor=Availability.AWAITED)
    forged = rotation.present(replace(token, tag=b"t" * 20), ring, SETTLED, "web")
    assert forged == replace(CURRENT, authenticity=Authenticity.FORGED)


def test_without_a_session_nothing_is_known_of_the_token():
    token = RefreshToken(1, SID, 5, b"t" * 20)
    unknown = rotation.present(token, single_secret(b"x" * 32), None, "web", scope="read")
    assert unknown == Presented(5, Authenticity.FORGED, Availability.GONE, "web")
