"""The clock jumps while a request is served: no session ends for it, no token is lost."""

import io
from collections import Counter
from contextlib import redirect_stderr

import pytest

from tests.faults.calls import Calls
from tests.faults.promises import by_status
from tests.faults.scenes import (
    GRANTED,
    KEY,
    LATER,
    World,
    comes_too_soon,
    heals,
    loses_the_race,
    rotates,
    stage,
    until_answered,
)
from tests.faults.test_unexpected_faults import places_of
from tests.scale import record, scaled

STEP = scaled(167, 3)
CURRENT = (rotates, loses_the_race, comes_too_soon, heals)
JUMPS = {"forwards": LATER, "backwards": -LATER}


@pytest.mark.proof
@pytest.mark.parametrize("direction", JUMPS)
def test_a_clock_that_jumps_in_flight_ends_nothing_and_the_key_brings_the_successor(
    world, direction
):
    answers: Counter[int] = Counter()
    for offset, path in enumerate(GRANTED):
        for key in (KEY, None) if path in CURRENT else (KEY,):
            for number in places_of(world, path, key)[offset % STEP :: STEP]:
                answers[jump(world, path, number, JUMPS[direction], key)] += 1
    assert set(answers) <= {200, 503}
    assert answers[200] > 0
    database = "sqlite" if world.on_sqlite else "postgresql"
    figures = {"jumps": answers.total(), **by_status(answers)}
    record("clock jumps", f"{database}, {direction}", figures)


def jump(world: World, path, number: int, seconds: int, key: str | None) -> int:
    scene = stage(world, path)
    began = world.site.clock.now
    calls = Calls(number, lambda: world.site.clock.advance(seconds))
    with redirect_stderr(io.StringIO()):
        with world.line.watched():
            answer = calls.watch(scene.request(key=key))
        assert calls.acted
        assert answer.status_code in {200, 503}, f"{path.__name__}, {calls.places[number]}"
        row = scene.row()
        assert (row["revoked_at"], row["audit"]) == (None, [])
        assert row["gen"] <= scene.later
        world.set_clock(max(began, world.site.clock.now) if key else began)
        repeated = until_answered(scene.request(key=key))
    assert repeated.status_code == 200, f"{path.__name__}, {calls.places[number]}: {repeated.text}"
    successors = {world.token(scene.session, each) for each in (scene.within, scene.later)}
    assert repeated.json["refresh_token"] in successors
    return answer.status_code
