"""An exception that nobody foresaw, at the beginning and end of every call of the product's code."""

import io
from collections import Counter
from contextlib import redirect_stderr

import pytest

from app.core.outcomes import ErrorCode, Refused
from app.protocol.responses import refusal, response
from tests.faults.calls import Calls
from tests.faults.promises import Trial, by_status, promises, untroubled
from tests.faults.scenes import (
    GRANTED,
    KEY,
    World,
    heals,
    is_reused,
    loses_the_race,
    rotates,
    stage,
)
from tests.scale import record, scaled
from tests.site import ISSUER

STEP = scaled(97, 1)
PATHS = (*GRANTED, is_reused)


def places_of(world: World, path, key: str | None = KEY) -> list[int]:
    """The numbers of all places in a request; of those that one line repeats, the first."""
    first: dict[object, int] = {}
    for number, where in enumerate(recorded(world, path, key)):
        first.setdefault(where, number)
    return list(first.values())


def recorded(world: World, path, key: str | None = KEY) -> list[str]:
    untroubled(world, path)
    scene = stage(world, path)
    calls = Calls()
    with redirect_stderr(io.StringIO()), world.line.watched():
        calls.watch(scene.request(key=key))
    assert len(calls.places) > 100
    return calls.places


@pytest.mark.proof
def test_an_unexpected_exception_anywhere_consumes_nothing_and_ends_nothing(world):
    answers: Counter[int] = Counter()
    places = 0
    for offset, path in enumerate(PATHS):
        numbers = places_of(world, path)
        places += len(numbers)
        for turn, number in enumerate(numbers[offset % STEP :: STEP]):
            error = (MemoryError, RuntimeError)[turn % 2]
            for promise in promises(path):
                answers[try_out(world, promise, path, number, error)] += 1
    assert answers[500] > 0
    record(
        "unexpected exceptions",
        "sqlite" if world.on_sqlite else "postgresql",
        {"places": places, "faults": answers.total(), **by_status(answers)},
    )


def try_out(world: World, promise, path, number: int, error: type[Exception]) -> int:
    def fail():
        raise error

    calls = Calls(number, fail)

    def break_(send):
        with world.line.watched():
            try:
                return calls.watch(send)
            except error:
                # The framework clears up outside of its own nets; gunicorn.conf.py answers then.
                assert "teardown" in calls.places[-1]
                return response(refusal(Refused(error=ErrorCode.SERVER_ERROR), ISSUER))

    try:
        with redirect_stderr(io.StringIO()):
            answer = promise(world, Trial(path, break_))
    except Exception as failure:
        failure.add_note(f"{promise.__name__}: {path.__name__}, {calls.places[-3:]}")
        raise
    assert calls.acted
    return answer.status_code


@pytest.mark.parametrize("path", [rotates, heals, loses_the_race])
def test_a_signature_that_fails_leaves_the_generation_alone(world, path):
    def fail():
        raise RuntimeError("no entropy")

    numbers = [
        number
        for number, place in enumerate(recorded(world, path))
        if place.startswith("call Signer.sign ")
    ]
    assert len(numbers) == 1
    scene = stage(world, path)
    before = scene.row()["gen"]
    with redirect_stderr(io.StringIO()), world.line.watched():
        answer = Calls(numbers[0], fail).watch(scene.request())
    assert answer.status_code == 500
    assert scene.row()["gen"] == before
