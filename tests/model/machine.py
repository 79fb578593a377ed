"""What may happen to sessions, in any order: a Hypothesis state machine over the three lanes.

Choices are drawn as small numbers and names and mean something in the state that they meet, so
that hardly a step is wasted: a family by its number among those alive, a token by its standing.
"""

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model import wire
from tests.model.facts import SECOND, Family
from tests.model.lockstep import CLIENTS, KINDS, RESOURCES, STRANGER, Lockstep

MOST_PENDING = 3
MOST_ALIVE = 4
FAMILIES = st.sampled_from((0, 0, 0, 1, 1, 2, 3))
NUMBERS = st.integers(0, 255)
HOSTS = st.integers(0, 1)
TOKENS = st.sampled_from(("current",) * 4 + ("parent",) * 3 + ("newest",) * 2 + ("older",))
KEYS = st.sampled_from((None, None, "key-of-one-token-1", "key-of-one-token-2", "again"))
EDGES = st.sampled_from(("window",) * 5 + ("interval",) * 4 + ("later",) * 3 + ("idle", "absolute"))
DEEDS = st.sampled_from(
    ("roll out",) * 4 + ("revoke", "disable", "sign out", "interrupted", "retire")
)
RINGS = st.sampled_from(({1, 2, 3}, {1, 2, 3}, {1, 2}, {2, 3}, {1, 3}))
TOO_MUCH = st.sampled_from(
    (
        {"scope": "read admin"},
        {"scope": "read  write"},
        {"resources": ("https://c.example",)},
        {"resources": (RESOURCES[0], "https://c.example"), "scope": "read"},
        {"resources": ("https://c.example",), "scope": "admin"},
    )
)
LESS = st.sampled_from(
    ({}, {}, {"scope": "read"}, {"scope": "write read"}, {"resources": RESOURCES[1:]})
)


class Machine(RuleBasedStateMachine):
    world: ClassVar[Lockstep]

    def __init__(self) -> None:
        super().__init__()
        self.world.begin()

    def teardown(self) -> None:
        self.world.end()

    # --- who and what -----------------------------------------------------------------------------

    def family(self, number: int) -> Family:
        """One that is alive, or the last that ended: what is over must be tried, but not often."""
        alive = self.world.alive
        if not alive:
            return self.world.sign_in("plain", number % 2)
        over = [family for family in self.world.families if family.ended][-1:]
        candidates = alive + over
        return candidates[number % len(candidates)]

    @staticmethod
    def token(family: Family, which: str, number: int) -> str:
        here = family.current.generation
        lost = family.losses and number % 2
        if which == "newest" or (which == "current" and lost):
            return max(family.strings, key=family.strings.__getitem__)
        if which == "older":
            return list(family.strings)[number % len(family.strings)]
        if which == "parent":
            parents = [text for text, one in family.strings.items() if one == here - 1]
            if parents:
                return parents[number % len(parents)]
        return family.current.token

    @staticmethod
    def key(family: Family, which: str | None) -> str | None:
        return family.current.proof if which == "again" else which

    def can_read(self, host: int, *texts: str) -> bool:
        held = self.world.held[host] - self.world.retired
        return {wire.read(text).secret_id for text in texts} <= held

    def count(self) -> None:
        self.world.steps += 1

    # --- sessions ---------------------------------------------------------------------------------

    @initialize(
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=2), host=HOSTS, other=RINGS
    )
    def first_sessions(self, kinds, host, other):
        self.world.give_secrets(1, other)
        for kind in kinds:
            self.world.sign_in(kind, host)

    @precondition(lambda self: len(self.world.alive) < MOST_ALIVE)
    @rule(kind=st.sampled_from(KINDS), host=HOSTS)
    def sign_in(self, kind, host):
        self.count()
        self.world.sign_in(kind, host)

    @rule(family=FAMILIES, how=DEEDS, host=HOSTS, held=RINGS)
    def administer(self, family, how, host, held):
        """What operators and owners do, in one rule, so that sessions live long enough."""
        self.count()
        world, chosen = self.world, self.family(family)
        if how == "roll out":
            world.give_secrets(host, held)
        elif how == "retire":
            if len(world.families) > 2 and not world.retired:
                world.retire_secret(1)
        elif how == "revoke":
            self.revoke(chosen)
        elif chosen.user not in world.disabled:
            disable, mark = how == "disable", how != "interrupted"
            world.sign_out(chosen.user, disable=disable, mark=mark)

    def revoke(self, family):
        if self.can_read(0, family.current.token):
            self.world.revoke(family)

    @rule(family=FAMILIES, count=st.integers(1, 3))
    def lose_commits(self, family, count):
        self.count()
        chosen = self.family(family)
        if not chosen.ended and len(chosen.turns) > 1:
            self.world.lose_commits(chosen, min(count, len(chosen.turns) - 1))

    # --- refreshing -------------------------------------------------------------------------------

    @rule(family=FAMILIES, which=TOKENS, number=NUMBERS, key=KEYS, host=HOSTS, less=LESS)
    def refresh(self, family, which, number, key, host, less):
        self.count()
        chosen = self.family(family)
        text, key = self.token(chosen, which, number), self.key(chosen, key)
        self.world.present(text, chosen.client, host, key=key, **less)

    @rule(family=FAMILIES, host=HOSTS, key=KEYS)
    def rotate(self, family, host, key):
        """The everyday case, which keeps sessions going."""
        self.count()
        chosen = self.family(family)
        key = self.key(chosen, key)
        self.world.present(chosen.current.token, chosen.client, host, key=key)

    @precondition(lambda self: len(self.world.pending) < MOST_PENDING)
    @rule(family=FAMILIES, which=TOKENS, number=NUMBERS, key=KEYS, host=HOSTS)
    def begin(self, family, which, number, key, host):
        self.count()
        chosen = self.family(family)
        text, key = self.token(chosen, which, number), self.key(chosen, key)
        self.world.request(text, chosen.client, host, hold=True, key=key)

    @precondition(lambda self: self.world.pending)
    @rule(number=st.integers(0, MOST_PENDING - 1))
    def advance(self, number):
        self.count()
        self.world.advance(self.world.pending[number % len(self.world.pending)])

    @precondition(lambda self: self.world.pending)
    @rule(number=st.integers(0, MOST_PENDING - 1))
    def finish(self, number):
        self.count()
        self.world.finish(self.world.pending[number % len(self.world.pending)])

    @rule(family=FAMILIES, host=HOSTS, other=HOSTS, key=KEYS, wait=st.integers(0, 90))
    def lose_an_answer(self, family, host, other, key, wait):
        """I14: the client never sees the successor and comes again, anywhere, with the same key."""
        self.count()
        chosen = self.family(family)
        text, key = chosen.current.token, self.key(chosen, key)
        lost = self.world.present(text, chosen.client, host, key=key)
        turn = chosen.current
        self.world.set_clock(self.world.now + wait * SECOND)
        again = self.world.present(text, chosen.client, other, key=key)
        if not lost.issued or lost.token == text or not self.can_read(other, text, lost.token):
            return
        in_window = 0 < chosen.window >= wait * SECOND
        keyed = chosen.window > 0 and (turn.proof is not None or chosen.until_used)
        if self.world.now < min(chosen.idle_end(turn), chosen.expires_at):
            assert again.issued == (in_window or keyed)
            assert not again.issued or again.token == lost.token
            self.world.invariants.met["I14 lost answer"] += again.issued

    # --- what is refused --------------------------------------------------------------------------

    @rule(family=FAMILIES, which=TOKENS, number=NUMBERS, host=HOSTS, too_much=TOO_MUCH)
    def ask_too_much(self, family, which, number, host, too_much):
        self.count()
        chosen = self.family(family)
        text = self.token(chosen, which, number)
        self.world.present(text, chosen.client, host, **too_much)

    @rule(
        family=FAMILIES,
        which=TOKENS,
        number=NUMBERS,
        host=HOSTS,
        how=st.sampled_from((None, *wire.FORGERIES, *wire.MISTAKES)),
    )
    def attack(self, family, which, number, host, how):
        """As another client, with a forged token, or with a text that is none."""
        self.count()
        chosen = self.family(family)
        text, other = self.token(chosen, which, number), self.family(family + 1)
        if how in wire.MISTAKES:
            text = wire.MISTAKES[how](text, number)
            self.world.present(text, chosen.client, host, malformed=True)
            return
        if how is None:
            client = STRANGER if chosen.kind == "paced" else CLIENTS["paced"]
            self.world.present(text, client, host, key=chosen.current.proof)
            return
        text = str(wire.FORGERIES[how](wire.read(text), other.sid, number))
        self.world.present(text, chosen.client, host, key=chosen.current.proof)

    # --- time and secrets -------------------------------------------------------------------------

    @rule(seconds=st.integers(1, 40), back=st.integers(0, 9))
    def wait(self, seconds, back):
        """The clock goes on; one time in ten it is set back."""
        self.count()
        self.world.set_clock(self.world.now + (seconds if back else -seconds) * SECOND)

    @rule(family=FAMILIES, edge=EDGES, beside=st.integers(-1, 1))
    def wait_for_an_edge(self, family, edge, beside):
        """To the millisecond: the last moment, the moment itself, the first one after."""
        self.count()
        chosen = self.family(family)
        began = chosen.current.began_at
        at = {
            "window": began + chosen.window,
            "interval": began + chosen.interval,
            "later": began + chosen.idle_ttl * 2 // 3,
            "idle": chosen.idle_end(chosen.current),
            "absolute": chosen.expires_at,
        }[edge]
        self.world.set_clock(max(self.world.now, at + beside))
