"""Sessions that several processes share and refresh round after round, and all that was seen."""

import itertools
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.flows.caller import Account, Caller
from tests.races.crowd import Crowd, Order, token
from tests.races.history import End, Look, Operation, Refresh, Token, violations

WINDOW = 60  # what PERENNIAL_REUSE_GRACE is when nobody sets it
SAMPLE = 12  # access tokens of a session that are looked at in the end
ROUNDS_AFTERWARDS = 3

Result = TypeVar("Result")


class Party:
    """In each round every process presents the current token of every session; one only looks."""

    def __init__(self, crowd: Crowd, processes: int) -> None:
        self.history: list[Operation] = []
        self.owners: dict[str, Account] = {}
        self.current: dict[str, Token] = {}
        self._crowd = crowd
        self._processes = processes
        self._names = (f"session {number}" for number in itertools.count(1))

    def sign_in(self, account: Account, sessions: int) -> list[str]:
        """Names for so many new sessions."""
        caller = Caller(account)
        names = list(itertools.islice(self._names, sessions))
        for name in names:
            self.owners[name] = account
            self.current[name] = token(caller.sign_in()["refresh_token"])
        caller.close()
        return names

    def round(self) -> None:
        present = [self._order(name, self.current[name]) for name in self.current]
        look = [order._replace(look=True) for order in present]
        seen = self._crowd([*[present] * self._processes, look])
        self.history += seen
        for each in seen:
            if isinstance(each, Refresh) and each.given:
                given = each.given[0]
                self.current[each.family] = max(self.current[each.family], given, key=_generation)

    def meanwhile(self, act: Callable[[], Result]) -> Result:
        """Rounds before, during and after something else; what that came to."""
        self.round()
        with ThreadPoolExecutor(1) as pool:
            acting = pool.submit(act)
            while not acting.done():
                self.round()
            result = acting.result()
        if isinstance(result, list):
            self.history += [each for each in result if isinstance(each, End)]
        for _ in range(ROUNDS_AFTERWARDS):
            self.round()
        return result

    def released(self, name: str) -> tuple[list[Token], list[Token]]:
        """All refresh tokens of a session and all its access tokens, as far as they were seen."""
        refreshes = [
            each for each in self.history if isinstance(each, Refresh) and each.family == name
        ]
        given = [each.given for each in refreshes if each.given]
        presented = [each.presented for each in refreshes]
        return sorted({*presented, *(pair[0] for pair in given)}, key=_generation), [
            pair[1] for pair in given
        ]

    def look_at_everything(self) -> dict[str, set[int]]:
        """The generations that are active now, of each session."""
        orders = []
        for name in self.current:
            refresh_tokens, access_tokens = self.released(name)
            sample = random.sample(access_tokens, min(SAMPLE, len(access_tokens)))
            orders += [self._order(name, each, look=True) for each in refresh_tokens + sample]
        size = self._processes + 1
        seen = self._crowd([orders[number::size] for number in range(size)])
        self.history += seen
        active: dict[str, set[int]] = {name: set() for name in self.current}
        for each in seen:
            if isinstance(each, Look) and each.active and each.token.generation is not None:
                active[each.family].add(each.token.generation)
        return active

    def violations(self) -> list[str]:
        return violations(self.history, window=WINDOW)

    def statuses(self, names: Sequence[str]) -> set[int]:
        return {
            each.status
            for each in self.history
            if isinstance(each, Refresh) and each.family in names
        }

    def _order(self, name: str, presented: Token, *, look: bool = False) -> Order:
        return Order(self.owners[name], name, presented, look)


def _generation(token: Token) -> int:
    return token.generation or 0
