"""What must hold of an answer that met a fault, and of the request that follows it."""

from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from typing import NamedTuple

from werkzeug.test import TestResponse

from tests.faults.scenes import KEY, LATER, Scene, World, is_reused, stage, until_answered

REUSED, REFRESHED = "reuse_detected", '"event": "refreshed"'


class Trial(NamedTuple):
    """A fault in one scene; `break_` sends the request and lets the fault happen to it."""

    path: Callable[[World], Scene]
    break_: Callable[[Callable[[], TestResponse]], TestResponse]
    cold: bool = False


def kept_within(world: World, trial: Trial) -> TestResponse:
    """Whatever was answered, the same token is good at once, and the key is not needed."""
    scene = stage(world, trial.path, cold=trial.cold)
    answer = _broken(scene, trial)
    for _ in range(2):
        _repeated(scene, scene.within, KEY if scene.keyed else None)
    return answer


def kept_for_later(world: World, trial: Trial) -> TestResponse:
    """Whatever was answered, the same token with the same key is good long after the window."""
    scene = stage(world, trial.path, cold=trial.cold)
    answer = _broken(scene, trial)
    world.advance(seconds=LATER)
    _repeated(scene, scene.later, KEY)
    return answer


def ended_or_not(world: World, trial: Trial) -> TestResponse:
    """Reuse ends the session and is written down, or neither; then the next replay does both."""
    scene = stage(world, trial.path, cold=trial.cold)
    answer, told = _with_log(trial, scene)
    row = scene.row()
    ended = row["revoked_at"] is not None
    assert ended or REUSED not in told, "told before it was true"
    assert row["audit"] == [REUSED] * ended, f"half done: {row}"
    if answer.status_code == 400:
        assert answer.json["reason"] == "session_reused"
        assert ended, "refused before it was written"
    else:
        _is_no_verdict(answer)
    replay = until_answered(scene.request(key=None))
    assert (replay.status_code, replay.json.get("reason")) == (400, "session_reused"), replay.text
    row = scene.row()
    assert (row["revoke_reason"], row["audit"]) == ("token_reused", [REUSED])
    scene.presents = 3
    assert until_answered(scene.request()).json["reason"] == "session_reused"
    return answer


def promises(path: Callable[[World], Scene]) -> tuple[Callable[[World, Trial], TestResponse], ...]:
    return (ended_or_not,) if path is is_reused else (kept_within, kept_for_later)


def _broken(scene: Scene, trial: Trial) -> TestResponse:
    answer, told = _with_log(trial, scene)
    if REFRESHED in told:
        assert scene.row()["gen"] == scene.within, "told before it was true"
    if answer.status_code == 200:
        given = answer.json["refresh_token"]
        assert given == scene.world.token(scene.session, scene.within)
    else:
        _is_no_verdict(answer)
    return answer


def _with_log(trial: Trial, scene: Scene) -> tuple[TestResponse, str]:
    log = StringIO()
    with redirect_stderr(log):
        answer = trial.break_(scene.request())
    return answer, log.getvalue()


def _is_no_verdict(answer: TestResponse) -> None:
    """Ours to put right, not the client's: 503 says when to come again, 500 is a defect."""
    assert answer.status_code in {500, 503}, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json["error"] == "temporarily_unavailable"
    else:
        assert answer.json["error"] == "server_error"


def _repeated(scene: Scene, generation: int, key: str | None) -> None:
    answer = until_answered(scene.request(key=key))
    assert answer.status_code == 200, answer.text
    assert answer.json["refresh_token"] == scene.world.token(scene.session, generation)
    assert scene.row() == {
        "gen": generation,
        "revoked_at": None,
        "revoke_reason": None,
        "audit": [],
    }


def untroubled(world: World, path: Callable[[World], Scene], *, cold: bool = False) -> Scene:
    """The scene, after its request was watched with no fault; its rule is the one it is for."""
    scene = stage(world, path, cold=cold)
    log = StringIO()
    with world.line.watched(), redirect_stderr(log):
        answer = scene.request()()
    assert answer.status_code == (400 if path is is_reused else 200), answer.text
    assert f'"rule": "{scene.rule}"' in log.getvalue() or REUSED in log.getvalue(), log.getvalue()
    return scene


def by_status(answers: Counter[int]) -> dict[str, int]:
    return {f"answered_{status}": count for status, count in sorted(answers.items())}
