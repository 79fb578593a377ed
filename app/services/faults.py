"""Faults that client authors order for their own requests, and where orders wait for them."""

import json
import math
import mmap
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from app.services.ratelimit import TIME, HostLock

LONGEST = 30  # seconds
MOST_TIMES = 1000
MOST_PLANS = 100
MEMORY = 64 * 1024  # bytes; the plan of a registered client takes less than 200

HEADER_FORM = (
    "one of drop, drop-before, duplicate, truncate, delay, 429, 503, 502-html; then optionally "
    f"; seconds=N with N from 0 to {LONGEST} after delay, 429 and 503, "
    "; when=before or ; when=after after delay, 503 and 502-html"
)
PLAN_FORM = (
    'a JSON object (application/json): "client_id" of a registered client, "fault", optionally '
    f'"times" from 1 to {MOST_TIMES}, "rate" from 0 to 1, "seconds" and "when" as the fault takes '
    f"them; at most {MOST_PLANS} clients"
)

_PARAMETER = re.compile(r"(seconds|when)=([a-z0-9.]{1,8})")
_SECONDS = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")


class OrderError(ValueError):
    """What was ordered is no fault or no plan."""


class Kind(StrEnum):
    DROP = "drop"
    DROP_BEFORE = "drop-before"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    TRUNCATE = "truncate"
    TOO_OFTEN = "429"
    BUSY = "503"
    BAD_GATEWAY = "502-html"


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


_TAKES: Mapping[Kind, frozenset[str]] = {
    Kind.DELAY: frozenset({"seconds", "when"}),
    Kind.TOO_OFTEN: frozenset({"seconds"}),
    Kind.BUSY: frozenset({"seconds", "when"}),
    Kind.BAD_GATEWAY: frozenset({"when"}),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`seconds` is a delay or what Retry-After says; `when` is before or after the work."""

    kind: Kind
    seconds: float = 1
    when: When = When.BEFORE

    @property
    def retry_after(self) -> int:
        return math.ceil(self.seconds)


@dataclass(frozen=True, slots=True)
class Plan:
    """The next `times` requests of a client meet a fault, each with probability `rate`; a request
    that is spared does not count.
    """

    client_id: str
    fault: Fault
    times: int = 1
    rate: float = 1

    def members(self) -> dict[str, object]:
        """As ordered: only what this fault takes."""
        fault = self.fault
        taken = {"seconds": fault.seconds, "when": fault.when}
        return {
            "client_id": self.client_id,
            "fault": fault.kind,
            "times": self.times,
            "rate": self.rate,
            **{name: taken[name] for name in taken if name in _TAKES.get(fault.kind, ())},
        }


def from_header(header: str) -> Fault:
    """Read `<fault>[; key=value]…`, or raise ValueError."""
    kind, *parameters = (part.strip() for part in header.split(";"))
    found: dict[str, object] = {}
    for parameter in parameters:
        match = _PARAMETER.fullmatch(parameter)
        if match is None or match[1] in found:
            raise OrderError("chaos_parameter")
        found[match[1]] = match[2]
    if "seconds" in found:
        text = str(found["seconds"])
        found["seconds"] = float(text) if _SECONDS.fullmatch(text) else None
    return _fault(kind, found)


def from_members(members: Mapping[str, object]) -> Plan:
    """Read the JSON form of a plan, or raise ValueError."""
    options = dict(members)
    client_id, kind = options.pop("client_id", None), options.pop("fault", None)
    times, rate = options.pop("times", 1), options.pop("rate", 1)
    if not isinstance(client_id, str):
        raise OrderError("chaos_client_id")
    if type(times) is not int or not 1 <= times <= MOST_TIMES:
        raise OrderError("chaos_times")
    return Plan(client_id, _fault(kind, options), times, _between(rate, 1))


def _fault(name: object, options: Mapping[str, object]) -> Fault:
    """What is not in an enumeration is a ValueError as well."""
    kind = Kind(str(name))
    if not options.keys() <= _TAKES.get(kind, frozenset()):
        raise OrderError("chaos_parameter")
    seconds = _between(options.get("seconds", 1), LONGEST)
    return Fault(kind, seconds, When(str(options.get("when", When.BEFORE))))


def _between(number: object, largest: float) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise OrderError("chaos_number")
    if not 0 <= number <= largest:
        raise OrderError("chaos_number")
    return number


class Plans:
    """One plan for each client, in memory that processes forked after construction share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, MEMORY)
        self._lock = HostLock()

    def __bool__(self) -> bool:
        """Whether there is any; asked at every request, so without a lock."""
        return self._size() > 0

    def everything(self) -> list[Plan]:
        with self._lock.hold():
            return list(self._read().values())

    def put(self, plan: Plan) -> bool:
        """Replace the client's plan; False when so many clients have one that there is no room."""
        with self._lock.hold():
            plans = self._read() | {plan.client_id: plan}
            if len(plans) > MOST_PLANS:
                return False
            self._write(plans)
            return True

    def clear(self) -> None:
        with self._lock.hold():
            self._write({})

    def take(self, client_id: str, draw: Callable[[], float]) -> Fault | None:
        """The fault that this request of the client meets, counted; `draw` gives 0 ≤ x < 1."""
        with self._lock.hold():
            plans = self._read()
            plan = plans.get(client_id)
            if plan is None or draw() >= plan.rate:
                return None
            if plan.times > 1:
                plans[client_id] = replace(plan, times=plan.times - 1)
            else:
                del plans[client_id]
            self._write(plans)
            return plan.fault

    def _size(self) -> int:
        size: int = TIME.unpack_from(self._memory)[0]
        return size

    def _read(self) -> dict[str, Plan]:
        size = self._size()
        text = self._memory[TIME.size : TIME.size + size]
        plans = [from_members(members) for members in json.loads(text or b"[]")]
        return {plan.client_id: plan for plan in plans}

    def _write(self, plans: Mapping[str, Plan]) -> None:
        members = [plan.members() for plan in plans.values()]
        text = json.dumps(members).encode() if members else b""
        self._memory[: TIME.size + len(text)] = TIME.pack(len(text)) + text
