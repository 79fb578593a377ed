"""Every interleaving of a few refreshes of one session, explored state by state.

A state is the row, the clock, how many requests may still begin, and where those stand that have
begun. From each state every request may begin, of every kind; every request that has begun may
carry out its next statement; the session may be revoked; the clock may move to its next instant.
Requests are made by `course.step`, which mirrors the use case around the product's own `judge`.

What follows for one request from one row at one instant is computed and checked once; the search
then only combines it, so that all states are visited in seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.outcomes import Refused
from app.core.refresh_token import Availability
from app.core.rotation import Rule
from app.core.sessions import EndReason, Session
from tests.model import course
from tests.model.course import Ask, Granted, Held, Stage

Answer = Granted | Refused


@dataclass(frozen=True)
class Kind:
    """A request that may be made; `genuine` says whether its token has been given to its client."""

    ask: Ask
    genuine: bool


@dataclass(frozen=True)
class Begun:
    """A request between two statements, with what it found at its first read."""

    kind: int
    held: Held
    first: Session
    first_at: int


@dataclass(frozen=True)
class Sight:
    """What a request found at its first read, in words of the promise."""

    kind: Kind
    first: Session
    at: int

    @property
    def behind_by(self) -> int:
        return self.first.generation - self.kind.ask.token.generation

    @property
    def holder(self) -> bool:
        """Genuine, for a session that is alive, at a host that can tell."""
        ask = self.kind.ask
        alive = self.first.revoked_at is None and self.at < self.first.idle_expires_at
        return self.kind.genuine and alive and ask.token.secret_id in ask.ring.secrets

    @property
    def in_window(self) -> bool:
        window = self.kind.ask.policy.window
        return window > 0 and self.at - self.first.rotated_at <= window

    @property
    def proven(self) -> bool:
        ask, remembered = self.kind.ask, self.first.rotation_key_hash
        policy = ask.policy
        same = ask.key is not None and course.rotation.key_hash(ask.token.sid, ask.key)
        return policy.window > 0 and (policy.until_used or (same and same == remembered))

    @property
    def welcome(self) -> bool:
        in_time = self.behind_by == 1 and self.in_window
        return self.holder and (self.behind_by == 0 or in_time)

    def can_derive(self, row: Session) -> bool:
        return self.kind.ask.ring.availability(row.secret_id) is Availability.HELD


@dataclass
class Universe:
    """One choice of parameters: a row to begin with, kinds of requests, instants of the clock."""

    row: Session
    kinds: list[Kind]
    instants: tuple[int, ...]
    requests: int = 3
    states: int = 0
    transitions: int = 0
    rules: set[Rule] = field(default_factory=set)
    _numbers: dict[Any, int] = field(default_factory=dict)
    _values: list[Any] = field(default_factory=list)
    _known: dict[tuple[int, int, int], tuple[int | None, int, Any]] = field(default_factory=dict)

    def explore(self) -> None:
        """Visit every state that can be reached; raises at the first that breaks an invariant."""
        start = (self._number(self.row), 0, self.requests, (), frozenset())
        frontier, reached = [start], {start}
        while frontier:
            for state in self._successors(frontier.pop()):
                self.transitions += 1
                if state not in reached:
                    reached.add(state)
                    frontier.append(state)
        self.states = len(reached)

    def _successors(self, state: Any) -> Iterator[Any]:
        row, clock, left, begun, given = state
        if clock + 1 < len(self.instants):
            yield row, clock + 1, left, begun, given
        yield self._revoked(row, clock), clock, left, begun, given
        if left:
            for kind in range(len(self.kinds)):
                follows = self._follows(-1 - kind, row, clock)
                yield self._with(follows, (clock, left - 1, begun, given))
        for place in range(len(begun)):
            follows = self._follows(begun[place], row, clock)
            others = begun[:place] + begun[place + 1 :]
            yield self._with(follows, (clock, left, others, given))

    @staticmethod
    def _with(follows: Any, state: Any) -> Any:
        """The state in which one request has moved on; the order of requests means nothing."""
        stands, row, granted = follows
        clock, left, begun, given = state
        if stands is not None:
            begun = tuple(sorted((*begun, stands)))
        if granted is not None and granted not in given:
            others = [secret for generation, secret in given if generation == granted[0]]
            assert not others, "I3, I5: one token for each generation"
            given |= {granted}
        return row, clock, left, begun, given

    def _number(self, value: Any) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self._values)
            self._values.append(value)
        return number

    def _revoked(self, row: int, clock: int) -> int:
        """By its client. When does not matter to anybody, so that it is one state and not many."""
        ended = course.ended(self._values[row], 0, EndReason.CLIENT)
        return self._number(ended)

    def _follows(self, who: int, row: int, clock: int) -> tuple[int | None, int, Any]:
        known = self._known.get((who, row, clock))
        if known is None:
            known = self._known[who, row, clock] = self._moved(who, row, clock)
        return known

    def _moved(self, who: int, row: int, clock: int) -> tuple[int | None, int, Any]:
        """One statement of one request: (where it stands then, the row, the token given)."""
        before, now = self._values[row], self.instants[clock]
        begun = Begun(-1 - who, Held(), before, now) if who < 0 else self._values[who]
        kind = self.kinds[begun.kind]
        after_step, after = course.step(kind.ask, begun.held, before, now)
        assert after is not None
        if after.revoked_at is not None:
            after = replace(after, revoked_at=0)
        sight = Sight(kind, begun.first, begun.first_at)
        answer = None if isinstance(after_step, Held) else after_step
        swapped = begun.held.stage is Stage.SWAP and answer is not None
        self._note(answer)
        of_the_row(before, after, begun.held, kind, swapped=swapped)
        of_the_request(sight, before, after, answer)
        if answer is not None:
            of_the_answer(sight, before, after, answer, now)
            granted = isinstance(answer, Granted)
            given = (answer.generation, answer.secret_id) if granted else None
            return None, self._number(after), given
        return self._number(replace(begun, held=after_step)), self._number(after), None

    def _note(self, answer: Answer | None) -> None:
        if isinstance(answer, Granted):
            self.rules.add(answer.rule)
        elif answer is not None:
            self.rules.update(getattr(event, "rule", Rule.R7_REUSED) for event in answer.events)
            if answer.reason == "session_reused":
                self.rules.add(Rule.R7_REUSED)


def of_the_row(before: Session, after: Session, held: Held, kind: Kind, *, swapped: bool) -> None:
    """I1, I2, I9, I10, I13: what one statement may do to a row."""
    assert after.sid == before.sid
    assert after.idle_expires_at <= after.expires_at
    if before.revoked_at is not None or not kind.genuine:
        assert after == before
    if not swapped:
        assert replace(after, revoked_at=None, revoke_reason=None) == replace(
            before, revoked_at=None, revoke_reason=None
        )
        return
    ask = kind.ask
    assert held.session is not None
    assert after.generation == ask.token.generation + 1
    assert after.generation == before.generation + 1 or ask.token.generation > before.generation
    assert after.revoked_at is None
    assert after.rotated_at == held.now
    assert after.secret_id == ask.ring.active
    hashed = ask.key and course.rotation.key_hash(ask.token.sid, ask.key)
    repeated = hashed == held.session.rotation_key_hash
    assert after.rotation_key_hash == (None if repeated else hashed)
    assert after.idle_expires_at == min(held.now + after.idle_ttl, after.expires_at)
    first_or_due = before.generation == 1 or held.now - before.rotated_at >= ask.policy.min_interval
    assert first_or_due or ask.token.generation > before.generation


def of_the_request(sight: Sight, before: Session, after: Session, answer: Answer | None) -> None:
    """I8: acceptable at its first read, so it ends nothing, at no statement and with no answer."""
    if sight.welcome:
        assert after.revoked_at == before.revoked_at
        if isinstance(answer, Refused) and answer.reason == "session_reused":
            assert before.revoke_reason == EndReason.REUSE


def of_the_answer(sight: Sight, before: Session, after: Session, answer: Answer, now: int) -> None:
    """I4 to I7, I9, I10, I15 and I20."""
    granted = isinstance(answer, Granted)
    ask, window = sight.kind.ask, sight.kind.ask.policy.window
    if granted:
        assert (answer.generation, answer.secret_id) == (after.generation, after.secret_id)
        assert after.revoked_at is None
        assert sight.kind.genuine
        assert sight.first.revoked_at is None
        assert sight.at < sight.first.idle_expires_at or sight.behind_by < 0
    if sight.kind.genuine and ask.token.secret_id not in ask.ring.secrets:
        assert after == before
        assert answer.retry_after, "the secret is in use elsewhere"
    if not sight.holder:
        return
    ended = before.revoked_at is not None or now >= before.idle_expires_at
    if sight.behind_by >= 1 and not sight.welcome and not (sight.behind_by == 1 and sight.proven):
        assert not granted
        assert after.revoked_at is not None
        assert answer.reason == "session_reused"
    elif sight.behind_by == 1:
        assert granted is sight.can_derive(sight.first)
        assert granted or answer.retry_after, "the successor's secret is in use elsewhere"
        assert not granted or answer.generation == ask.token.generation + 1
    elif sight.behind_by == 0 and not ended and window and now - sight.at <= window:
        assert granted or not sight.can_derive(after)
        if granted and after.generation == sight.first.generation:
            too_soon = sight.at - sight.first.rotated_at < ask.policy.min_interval
            assert too_soon
            assert sight.first.generation > 1
    elif sight.behind_by < 0 and not ended and before == sight.first:
        assert granted
