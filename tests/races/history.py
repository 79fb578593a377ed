"""What clients saw, and what no correct server could have shown them.

A history is a list of operations, each with the monotonic time before it was sent and after its
answer was read, on one machine. Between the two the server may have acted at any moment; a
violation is what no such moment explains. The model is docs/rotation.md seen from outside, for
honest callers: none of them presents a token whose successor it was given.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

ENDED = "session_ended"
NEVER = float("inf")


class Token(NamedTuple):
    """A refresh token with its generation, or an access token without one."""

    text: str
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """`given` are the new refresh token and access token of a 200."""

    family: str
    began: float
    ended: float
    presented: Token
    status: int
    reason: str | None = None
    given: tuple[Token, Token] | None = None

    @property
    def presented_generation(self) -> int:
        return self.presented.generation or 0

    @property
    def generation(self) -> int:
        """What the session had reached when this was answered, as far as the answer shows."""
        return self.presented_generation if self.given is None else self.given[0].generation or 0


@dataclass(frozen=True, slots=True)
class Look:
    """An introspection."""

    family: str
    began: float
    ended: float
    token: Token
    active: bool


@dataclass(frozen=True, slots=True)
class End:
    """A revocation, a log-out everywhere, a disabled account, a changed password: successful."""

    families: frozenset[str]
    began: float
    ended: float
    how: str


Operation = Refresh | Look | End


class Climb:
    """The highest generation that was heard of, moment by moment."""

    def __init__(self, heard: Iterable[tuple[float, int]]) -> None:
        in_order = sorted(heard)
        self._moments = [moment for moment, _ in in_order]
        self._highest = list(accumulate((generation for _, generation in in_order), max))

    def before(self, moment: float, *, default: int) -> int:
        earlier = bisect_left(self._moments, moment)
        return self._highest[earlier - 1] if earlier else default

    def first(self, generation: int, *, default: float) -> float:
        """When this one or a later one was first heard of."""
        place = bisect_left(self._highest, generation)
        return self._moments[place] if place < len(self._moments) else default


class Family:
    """One session's part of a history."""

    def __init__(self, name: str, operations: Sequence[Operation], window: float) -> None:
        self.name = name
        self.window = window
        self.refreshes = [each for each in operations if isinstance(each, Refresh)]
        self.looks = [each for each in operations if isinstance(each, Look)]
        ends = [each for each in operations if isinstance(each, End) and name in each.families]
        self._answered = Climb((each.ended, each.generation) for each in self.refreshes)
        self._begun = Climb((each.began, each.presented_generation) for each in self.refreshes)
        self.may_have_ended = min((end.began for end in ends), default=NEVER)
        """Nothing ends the session before this moment."""
        known = [end.ended for end in ends]
        known += [each.ended for each in self.refreshes if each.reason == ENDED]
        self.has_ended = min(known, default=NEVER)
        """From this moment on it is over: somebody was told so, and the end is for good."""

    def at_least(self, moment: float) -> int:
        """The generation that the session certainly had reached."""
        return self._answered.before(moment, default=1)

    def at_most(self, moment: float) -> int:
        """The generation that it cannot have passed: nobody had presented this one yet."""
        return self._begun.before(moment, default=0) + 1

    def reached_by(self, generation: int) -> float:
        """The latest moment at which this generation can have begun."""
        return self._answered.first(generation, default=NEVER)

    def reached_from(self, generation: int) -> float:
        """The earliest."""
        return self._begun.first(generation - 1, default=-NEVER)


Rule = Callable[[Family], Iterator[str]]


def one_token_per_generation(family: Family) -> Iterator[str]:
    """A family never forks (I3, I5)."""
    texts = defaultdict(set)
    for each in family.refreshes:
        for token in (each.presented, *(each.given or ())[:1]):
            texts[token.generation].add(token.text)
    for generation, different in texts.items():
        if len(different) > 1:
            yield f"{len(different)} refresh tokens of generation {generation}"


def generations_advance(family: Family) -> Iterator[str]:
    """Never back, and never on without a reason (I2)."""
    for each in family.refreshes:
        if each.status != 200:
            continue
        before, beyond = family.at_least(each.began), family.at_most(each.ended)
        if each.generation < before:
            yield f"generation {each.generation} given after {before}"
        if each.generation > beyond:
            yield f"generation {each.generation} given before anyone presented {beyond}"


def an_end_is_final(family: Family) -> Iterator[str]:
    """What starts after the end was answered finds the session over (CONTRACT §4, I9)."""
    for each in family.refreshes:
        if each.began > family.has_ended and each.status == 200:
            yield f"generation {each.presented_generation} is refreshed after the end"
    for each in family.looks:
        if each.began > family.has_ended and each.active:
            kind = "an access token" if each.token.generation is None else "a refresh token"
            yield f"{kind} is active after the end"


def honest_callers_are_served(family: Family) -> Iterator[str]:
    """Nobody is refused before somebody has set out to end the session (I5, I8)."""
    for each in family.refreshes:
        if each.status != 200 and (each.ended < family.may_have_ended or each.reason != ENDED):
            yield f"an honest refresh is answered {each.status} {each.reason}"
    for each in family.looks:
        lives = each.ended < family.may_have_ended
        if lives and each.token.generation is None and not each.active:
            yield "an access token of a living session is inactive"


def the_current_token_and_its_parent_are_active(family: Family) -> Iterator[str]:
    """A refresh token is active iff a refresh with it would be answered (R4, R5, R6)."""
    for look in family.looks:
        generation = look.token.generation
        if generation is None:
            continue
        least, most = family.at_least(look.began), family.at_most(look.ended)
        if look.active:
            late = look.began - family.reached_by(least) > family.window
            if generation < least - 1 or (generation == least - 1 and late):
                yield f"generation {generation} is active beside {least}"
        elif look.ended < family.may_have_ended:
            in_time = look.ended - family.reached_from(most) <= family.window
            if generation >= most or (generation == most - 1 and in_time):
                yield f"generation {generation} is inactive beside {most}"


RULES: tuple[Rule, ...] = (
    one_token_per_generation,
    generations_advance,
    an_end_is_final,
    honest_callers_are_served,
    the_current_token_and_its_parent_are_active,
)


def violations(history: Sequence[Operation], *, window: float) -> list[str]:
    """Everything in a history that no correct server can have answered; W in seconds."""
    names = {each.family for each in history if not isinstance(each, End)}
    parts: dict[str, list[Operation]] = {name: [] for name in sorted(names)}
    for each in history:
        for name in each.families & names if isinstance(each, End) else (each.family,):
            parts[name].append(each)
    return [
        f"{name}: {violation}"
        for name, operations in parts.items()
        for rule in RULES
        for violation in rule(Family(name, operations, window))
    ]
