"""Processes that refresh shared sessions over a bad network and are killed while they do it.

The promise of docs/rotation.md covers callers that wait longer than their network delay before
they present a new token. Here no request is delayed for more than `longest`, and nobody presents
a token that is younger than twice that.
"""

import http.client
import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.flows.caller import Account, Answer, Caller
from tests.races.crowd import HUNG, PROCESSES
from tests.races.journal import Journal
from tests.races.wallet import Held, Wallet
from tests.servers import wait_until


class Fate(StrEnum):
    ANSWERED = "answered"
    CUT = "hangs up after sending"
    LOST = "the answer does not arrive"
    DIES_BEFORE_SENDING = "dies before sending"
    DIES_WAITING = "dies between sending and reading"
    DIES_BEFORE_SAVING = "dies between reading and saving"


DROPS = (Fate.CUT, Fate.LOST)
DEATHS = (Fate.DIES_BEFORE_SENDING, Fate.DIES_WAITING, Fate.DIES_BEFORE_SAVING)


def fate_of(attempt: int) -> Fate:
    """Of twenty attempts one is killed and two have no answer."""
    if attempt % 20 == 0:
        return DEATHS[attempt // 20 % len(DEATHS)]
    if attempt % 10 == 5:
        return DROPS[attempt // 10 % len(DROPS)]
    return Fate.ANSWERED


@dataclass(frozen=True)
class Plan:
    """Seconds; `goal` is how many refreshes are to be answered.

    `away` is how long a session rests when a process dies with its request on the way.
    """

    account: Account
    folder: Path
    sessions: int
    processes: int
    goal: int
    longest: float
    away: float

    @property
    def rest(self) -> float:
        """L: how old a token must be to be presented."""
        return 2 * self.longest

    def wallet(self) -> Wallet:
        return Wallet(self.folder / "wallet.db")

    def journal(self) -> Journal:
        return Journal(self.folder / "journal.db")


class Member:
    """One process of the client."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._wallet = plan.wallet()
        self._journal = plan.journal()
        self._caller = Caller(plan.account)

    def refresh_until_the_end(self) -> None:
        while held := wait_until(self._next, "a token that is due", seconds=HUNG)[0]:
            self._attempt(held)

    def _next(self) -> tuple[Held | None] | None:
        """What to refresh, or that it is over, or neither yet."""
        if self._journal.served() >= self._plan.goal:
            return (None,)
        held = self._wallet.take(time.monotonic())
        return None if held is None else (held,)

    def _attempt(self, held: Held) -> None:
        taken, delay = time.monotonic(), random.uniform(0, self._plan.longest)
        number = self._journal.begin(held)
        fate = fate_of(number)
        _travel(delay)
        if time.monotonic() - taken > self._plan.longest:
            return  # the machine was slow; a later request is lost rather than later than promised
        if fate is Fate.DIES_BEFORE_SENDING:
            _die()
        try:
            answer = self._exchange(held, fate)
        except (OSError, http.client.HTTPException):
            return
        finally:
            self._caller.close()  # a connection each, so that any worker may serve it
        if answer is None:
            return
        _travel(random.uniform(0, self._plan.longest - delay))
        if fate is Fate.DIES_BEFORE_SAVING:
            self._die_for_long(held)
        if fate is not Fate.LOST:
            self._heard(number, held, answer)

    def _exchange(self, held: Held, fate: Fate) -> Answer | None:
        form = {"grant_type": "refresh_token", "refresh_token": held.token}
        self._caller.send("/oauth/token", key=held.key, **form)
        if fate is Fate.DIES_WAITING:
            self._die_for_long(held)
        return None if fate is Fate.CUT else self._caller.receive()

    def _heard(self, number: int, held: Held, answer: Answer) -> None:
        self._journal.note(number, answer)
        if answer.status == 200:
            now = time.monotonic()
            self._wallet.save(held, answer.body["refresh_token"], now, now + self._plan.rest)
        elif answer.status != 503:
            self._wallet.give_up(held.session)

    def _die_for_long(self, held: Held) -> None:
        """With its machine, and with all others on it that use this session."""
        self._wallet.lose_power(held, time.monotonic() + self._plan.away)
        _die()


def _travel(seconds: float) -> None:
    """Over the network."""
    arrival = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= arrival, "the other end")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refresh_until_the_end(plan: Plan) -> None:
    Member(plan).refresh_until_the_end()


class Storm:
    """Signs in, starts the processes, starts those again that were killed, and counts."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.wallet, self.journal = plan.wallet(), plan.journal()
        self.caller = Caller(plan.account)
        self.killed = 0
        for session in range(plan.sessions):
            self.wallet.add(session, self._sign_in())

    def rage(
        self,
        disturbances: Sequence[Callable[[], object]] = (),
        watch: Callable[[float], object] | None = None,
    ) -> float:
        """Until the goal is reached, with the disturbances spread over it; `watch` is called all
        the time with how far it has come, from 0 to 1. The seconds that it took.
        """
        began = time.monotonic()
        due = deque(disturbances)
        callers = [self._start() for _ in range(self.plan.processes)]

        def over() -> bool:
            progress = self.journal.served() / self.plan.goal
            if due and progress > 1 - len(due) / (len(disturbances) + 1):
                due.popleft()()
            if watch is not None:
                watch(progress)
            codes = [caller.exitcode for caller in callers]
            for number, code in enumerate(codes):
                if code == -signal.SIGKILL:
                    self.killed += 1
                    callers[number] = self._start()
            assert set(codes) <= {None, 0, -signal.SIGKILL}, "a caller failed"
            return all(code == 0 for code in codes)

        wait_until(over, "the end of the storm", seconds=3600)
        assert not due
        return time.monotonic() - began

    def _start(self):
        process = PROCESSES.Process(target=refresh_until_the_end, args=(self.plan,), daemon=True)
        process.start()
        return process

    def refresh(self, session: int) -> tuple[str, Answer]:
        """The token that the client holds of a session, and what comes of one refresh more."""
        held = self.wallet.about_to_send(session)
        assert held is not None, "it was given up"
        return held.token, self.present(held.token, held.key)

    def present(self, token: str, key: str | None = None) -> Answer:
        return self._ask(lambda: self.caller.refresh(token, key=key))

    def _sign_in(self) -> str:
        person = {"username": self.plan.account.username, "password": self.plan.account.password}
        answer = self._ask(
            lambda: self.caller.post("/oauth/token", grant_type="password", **person)
        )
        return str(answer.body["refresh_token"])

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """As often as the server says to come again: so it does once after its database did."""

        def answer() -> Answer | None:
            answer = question()
            self.caller.close()
            return None if answer.status == 503 else answer

        return wait_until(answer, "an answer")

    def dropped(self) -> int:
        return sum(fate_of(number) in DROPS for number in range(1, self.journal.attempts() + 1))
