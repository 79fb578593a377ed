"""What can go wrong on the way to a server and back, and the queue of what is to go wrong next."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from clients.conformance.clock import http_date
from clients.conformance.gate import LONGEST
from clients.conformance.messages import Answer, Delivery, html, json_answer, oauth_error


class Target(StrEnum):
    TOKEN = "token"  # noqa: S105  # the endpoint
    API = "api"
    REVOKE = "revoke"
    METADATA = "metadata"


@dataclass(slots=True)
class Fault:
    """`nth` counts matching requests from the moment of queueing; `times` in a row meet the fault.
    `commit`: whether the server does the work first. `ms`: the wait; `hang` alone has a default,
    which is as long as anything here lasts. `retry_after`: seconds.
    """

    do: str
    on: Target = Target.TOKEN
    nth: int = 1
    times: int = 1
    grant: str | None = None
    commit: bool | None = None
    ms: float | None = None
    retry_after: float | None = None
    as_date: bool = False
    error: str = "invalid_request"
    status: int = 400
    reason: str | None = None
    size: int = 8 << 20
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.do not in KINDS:
            raise ValueError(f"no such fault: {self.do}")
        self.on = Target(self.on)
        for name in ("nth", "times", "ms", "retry_after", "size", "status"):
            if not isinstance(getattr(self, name), int | float | None):
                raise ValueError(f"{name} is a number")  # noqa: TRY004  # it came from a caller's JSON
        if self.commit is None:
            self.commit = KINDS[self.do].commits
        if self.ms is None:
            self.ms = LONGEST * 1000 if self.do == "hang" else 0.0

    def meets(self, on: Target, grant: str | None) -> bool:
        """Count the request, and tell whether it is one of those to be hurt."""
        if self.on is not on or (self.grant is not None and self.grant != grant):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    def damage(self, answer: Answer, now: float) -> Answer:
        return KINDS[self.do].damage(self, answer, now)


@dataclass(frozen=True, slots=True)
class Kind:
    """`acts`: the server's own answer is needed even when nothing is committed before the wait."""

    damage: Callable[[Fault, Answer, float], Answer]
    commits: bool = False
    acts: bool = False


def _nothing(_fault: Fault, _answer: Answer, _now: float) -> Answer:
    return Answer(delivery=Delivery.NOTHING)


def _reset(_fault: Fault, _answer: Answer, _now: float) -> Answer:
    return Answer(delivery=Delivery.RESET)


def _as_it_is(_fault: Fault, answer: Answer, _now: float) -> Answer:
    return answer


def _half(_fault: Fault, answer: Answer, _now: float) -> Answer:
    return replace(answer, delivery=Delivery.HALF)


def _page(title: str, status: int) -> Callable[[Fault, Answer, float], Answer]:
    return lambda _fault, _answer, _now: html(title, status)


def _portal(_fault: Fault, _answer: Answer, _now: float) -> Answer:
    return Answer(302, {"Location": "/portal"})


def _error(error: str, status: int) -> Callable[[Fault, Answer, float], Answer]:
    def damage(fault: Fault, _answer: Answer, now: float) -> Answer:
        answer = oauth_error(error, "A fault was asked for.", status, reason=fault.reason)
        if fault.retry_after is None:
            return answer
        date = http_date(now + fault.retry_after)
        after = date if fault.as_date else f"{fault.retry_after:g}"
        return replace(answer, headers={**answer.headers, "Retry-After": after})

    return damage


def _any_error(fault: Fault, answer: Answer, now: float) -> Answer:
    return _error(fault.error, fault.status)(fault, answer, now)


def _changed(members: Mapping[str, object]) -> Callable[[Fault, Answer, float], Answer]:
    """The true answer with other members; None leaves a member out."""

    def damage(_fault: Fault, answer: Answer, _now: float) -> Answer:
        true = json.loads(answer.body or b"{}")
        told = {k: v for k, v in {**true, **members}.items() if v is not None}
        return replace(answer, body=json.dumps(told).encode())

    return damage


def _not_json(_fault: Fault, _answer: Answer, _now: float) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, b"access_token=none")


def _huge(fault: Fault, _answer: Answer, _now: float) -> Answer:
    return json_answer({"padding": "x" * fault.size})


KINDS: Mapping[str, Kind] = {
    "drop_before_commit": Kind(_nothing),
    "drop_after_commit": Kind(_nothing, commits=True),
    "reset": Kind(_reset),
    "hang": Kind(_nothing),
    "hold": Kind(_as_it_is, commits=True, acts=True),
    "slow": Kind(_as_it_is, commits=True, acts=True),
    "truncate_body": Kind(_half, commits=True, acts=True),
    "500_before": Kind(_error("server_error", 500)),
    "500_after_commit": Kind(_error("server_error", 500), commits=True),
    "503": Kind(_error("temporarily_unavailable", 503)),
    "429": Kind(_error("temporarily_unavailable", 429)),
    "html_502": Kind(_page("Bad gateway", 502)),
    "html_200": Kind(_page("Welcome to the guest network", 200)),
    "redirect_302": Kind(_portal),
    "not_json_200": Kind(_not_json),
    "huge_body": Kind(_huge),
    "missing_fields": Kind(_changed({"access_token": None}), commits=True, acts=True),
    "wrong_token_type": Kind(_changed({"token_type": "mac"}), commits=True, acts=True),
    "invalid_client": Kind(_error("invalid_client", 401)),
    "invalid_grant": Kind(_error("invalid_grant", 400)),
    "unauthorized_client": Kind(_error("unauthorized_client", 400)),
    "temporarily_unavailable": Kind(_error("temporarily_unavailable", 400)),
    "error": Kind(_any_error),
}


class Faults:
    """The queue. Its caller sees to it that one thread at a time is inside."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []
        self._odds: dict[Target, Mapping[str, float]] = {}
        self._dice = random.Random(0)  # noqa: S311  # the same run for the same seed

    def add(self, fault: Fault) -> None:
        self._queue.append(fault)

    def set_chances(self, on: Target, odds: Mapping[str, float], seed: int) -> None:
        """From now on every request meets each fault with its probability."""
        if sum(odds.values()) > 1:
            raise ValueError("the probabilities exceed 1")
        for name in odds:
            Fault(name)
        self._odds[on] = odds
        self._dice = random.Random(seed)  # noqa: S311  # the same run for the same seed

    def clear(self) -> None:
        self._queue.clear()
        self._odds.clear()

    def take(self, on: Target, grant: str | None) -> Fault | None:
        """The fault that this request meets; every queued one has counted it."""
        met = [fault for fault in self._queue if fault.meets(on, grant)]
        return met[0] if met else self._by_chance(on)

    def _by_chance(self, on: Target) -> Fault | None:
        if on not in self._odds:
            return None
        drawn = self._dice.random()
        for name, probability in self._odds[on].items():
            if drawn < probability:
                return Fault(name, on)
            drawn -= probability
        return None
