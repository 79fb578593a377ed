"""Clients that are patient: nobody presents a token earlier than L after it was minted, and whoever
comes late with a superseded one comes less than L after its supersession, and within W (I17).

A supersession is dated by the read of the request that rotated, as `rotated_at` is, and no request
is suspended for longer than W.
"""

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model.facts import SECOND, Family
from tests.model.lockstep import Lockstep

PAUSES = st.sampled_from((1, 5, 30, 60, 90, 200))
WHO = st.integers(0, 1)


class Patient(RuleBasedStateMachine):
    world: ClassVar[Lockstep]

    def __init__(self) -> None:
        super().__init__()
        self.world.begin()
        self.world.give_secrets(1, {1, 2, 3})

    def teardown(self) -> None:
        while self.world.pending:
            self.finish_one(0)
        self.world.end()

    @initialize(pause=PAUSES)
    def begin_run(self, pause):
        self.pause = pause * SECOND
        self.lasting = [self.world.sign_in(kind, 0) for kind in ("plain", "paced")]

    def family(self, who: int) -> Family:
        """A session that is over has a successor; every session here ends by time only."""
        family = self.lasting[who]
        if self.world.now >= min(family.idle_end(family.current), family.expires_at):
            family = self.lasting[who] = self.world.sign_in(family.kind, who)
        return family

    def allowed(self, family: Family) -> list[str]:
        """The tokens that a patient client may present now."""
        now, turn = self.world.now, family.current
        late = now - turn.began_at
        standing = [turn.generation]
        if late < self.pause and late <= self.world.window:
            standing.append(turn.generation - 1)
        return [
            text
            for text, generation in family.strings.items()
            if generation in standing and now - family.minted[text] >= self.pause
        ]

    def wait(self, milliseconds: int) -> None:
        """Nobody is suspended for longer than W between its read and its swap."""
        reads = [pending.asking.sights[0].now for pending in self.world.pending]
        latest = min(reads, default=self.world.now + milliseconds) + self.world.window
        self.world.set_clock(min(self.world.now + milliseconds, latest))

    def finish_one(self, number: int) -> None:
        pending = self.world.pending[number % len(self.world.pending)]
        self.world.finish(pending)
        self.i17_the_patient_are_let_in(pending)

    def i17_the_patient_are_let_in(self, pending) -> None:
        answer, over = pending.answers[1], pending.asking.sights[-1].over
        if answer is not None and not over:
            self.world.invariants.met["I17"] += 1
            assert answer.issued

    @rule(who=WHO, number=st.integers(0, 3), host=WHO, hold=st.booleans())
    def present(self, who, number, host, hold):
        self.world.steps += 1
        family = self.family(who)
        if not self.allowed(family):
            self.wait(self.pause)
            family = self.family(who)
        texts = self.allowed(family)
        if texts:
            hold = hold and len(self.world.pending) < 3
            text = texts[-1 - number % len(texts)]
            pending = self.world.request(text, family.client, host, hold=hold)
            self.i17_the_patient_are_let_in(pending)

    @rule(share=st.sampled_from((1, 10, 50, 99, 100, 150)), beside=st.integers(-1, 1))
    def pass_time(self, share, beside):
        """Parts of L, to the millisecond."""
        self.world.steps += 1
        self.wait(max(0, self.pause * share // 100 + beside))

    @rule(who=WHO, beside=st.integers(-1, 1))
    def pass_the_window(self, who, beside):
        self.world.steps += 1
        turn = self.family(who).current
        edge = turn.began_at + min(self.world.window, self.pause) + beside
        self.wait(max(0, edge - self.world.now))

    @precondition(lambda self: self.world.pending)
    @rule(number=st.integers(0, 2))
    def finish(self, number):
        self.world.steps += 1
        self.finish_one(number)
