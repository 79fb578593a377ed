"""All interleavings of three refreshes, two hosts, a revocation and a clock, to the last state."""

import itertools
import time
from dataclasses import replace
from types import MappingProxyType

import pytest

from app.core import rotation
from app.core.binding import Binding
from app.core.refresh_token import Ring, parse
from app.core.rotation import Policy, Rule
from app.core.sessions import Channel, Session
from tests import scale
from tests.model.course import Ask
from tests.model.explorer import Kind, Universe
from tests.model.lockstep import PLAIN, STRANGER

W, C = 60_000, 5_000
SID = b"s" * 16
KEYS = ("key-of-one-token-1", "key-of-one-token-2")
SECRETS = {1: b"1" * 32, 2: b"2" * 32}


def ring(held, active):
    chosen = {number: SECRETS[number] for number in held}
    return Ring(MappingProxyType(chosen), active, frozenset(SECRETS), max(SECRETS))


NEW = ring({1, 2}, 2)
OLD = ring({1, 2}, 1)
BEHIND = ring({1}, 1)
ROW = Session(
    sid=SID,
    public_id="public",
    salt=b"p" * 32,
    secret_id=1,
    generation=1,
    rotated_at=0,
    rotation_key_hash=None,
    idle_ttl=10 * W,
    idle_expires_at=10 * W,
    expires_at=11 * W,
    revoked_at=None,
    revoke_reason=None,
    client_id=PLAIN.client_id,
    user_id="alice",
    user_epoch=0,
    scope="read",
    resource="",
    binding=Binding.NONE,
    channel=Channel.BODY,
    auth_time=0,
    current_epoch=0,
    user_disabled_at=None,
)
THIRD = replace(ROW, generation=3, rotation_key_hash=rotation.key_hash(SID, KEYS[0]))


def ask(generation, host, policy, *, key=None, secret=1, client=PLAIN):
    token = parse(NEW.mint(secret, SID, ROW.salt, generation))
    assert token is not None
    return Ask(token, client, host, policy, key)


def kinds(row, hosts, policy, keys, ahead):
    """Every generation from two behind to some ahead, with every key, at every host."""
    presented = [row.generation - 2, row.generation - 1, row.generation]
    presented = [(generation, 1) for generation in presented if generation > 0]
    presented += [(row.generation + by, secret) for by in ahead for secret in SECRETS]
    genuine = [
        Kind(ask(generation, host, policy, key=key, secret=secret), genuine=True)
        for (generation, secret), host, key in itertools.product(presented, hosts, keys)
    ]
    if row.generation > 1:
        another_key = ask(row.generation - 1, hosts[0], policy, key=KEYS[1])
        genuine.append(Kind(another_key, genuine=True))
    forged = ask(row.generation, hosts[0], policy)
    forged = replace(forged, token=replace(forged.token, tag=bytes(20)))
    stranger = ask(row.generation, hosts[0], policy, client=STRANGER)
    return [*genuine, Kind(forged, genuine=False), Kind(stranger, genuine=False)]


ROWS = (ROW, THIRD)
PAIRS = ((NEW, OLD), (NEW, BEHIND))
POLICIES = (Policy(W), Policy(W, C), Policy(0), Policy(W, until_used=True))
TINY = [(ROW, PAIRS[0], POLICIES[0])]
EVERYTHING = list(itertools.product(ROWS, PAIRS, POLICIES))


def two_requests():
    """All parameters, every key, all edges of the clock at the full scale."""
    for row, pair, policy in EVERYTHING:
        instants = scale.scaled(
            (0, policy.min_interval or W, W + 1),
            (0, C - 1, C, W, W + 1, 10 * W),
        )
        keys = scale.scaled((None, KEYS[0]), (None, *KEYS))
        yield Universe(row, kinds(row, pair, policy, keys, (1,)), instants, requests=2)


def three_requests():
    edges = ((0, W, W + 1), (0, C - 1, C), (0, 9 * W, 10 * W))
    for row, pair, policy in scale.scaled(TINY, EVERYTHING):
        for instants in scale.scaled([(0, W + 1)], edges):
            keys = scale.scaled((None,), (None, KEYS[0]))
            yield Universe(row, kinds(row, pair, policy, keys, (1,)), instants)


@pytest.mark.proof
@pytest.mark.parametrize("universes", [two_requests, three_requests])
def test_no_interleaving_breaks_an_invariant(universes):
    began, count, states, transitions = time.monotonic(), 0, 0, 0
    rules: set[Rule] = set()
    for universe in universes():
        universe.explore()
        count += 1
        states += universe.states
        transitions += universe.transitions
        rules |= universe.rules
    impossible = {Rule.R0_MALFORMED, Rule.R1B_UNPROVEN, Rule.R3_TOO_WIDE}  # nobody asks for it here
    if universes is two_requests:
        assert rules == set(Rule) - impossible
    assert transitions > states > count
    figures = {"universes": count, "states": states, "transitions": transitions}
    seconds = round(time.monotonic() - began, 1)
    scale.record("explorer", universes.__name__, {**figures, "seconds": seconds})


def test_a_request_whose_session_was_idle_when_it_was_overtaken_ends_nothing():
    """A rotation that read in time and is still under way can bring such a session back."""
    asks = (ask(1, NEW, Policy(W)), ask(2, NEW, Policy(W), secret=2))
    presented = [Kind(one, genuine=True) for one in asks]
    universe = Universe(ROW, presented, (0, 9 * W, 10 * W))
    universe.explore()
    assert Rule.R2_OVER in universe.rules
