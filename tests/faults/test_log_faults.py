"""The log cannot be written, for as long as that lasts: nobody who asks for tokens notices."""

import errno
import io
from contextlib import redirect_stderr

import pytest

from tests.faults.scenes import GRANTED, World, is_reused, stage

BROKEN = {
    "disk full": OSError(errno.ENOSPC, "No space left on device"),
    "reader gone": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "closed": ValueError("I/O operation on closed file."),
}


class Broken(io.StringIO):
    """Takes what is written, or not, and cannot pass it on."""

    def __init__(self, error: Exception, *, takes: bool) -> None:
        super().__init__()
        self._error, self._takes = error, takes

    def write(self, text):
        if self._takes:
            return super().write(text)
        raise self._error

    def flush(self):
        raise self._error


@pytest.fixture
def world(make_site):
    return World(make_site(), make_site())


@pytest.mark.parametrize("why", BROKEN)
def test_a_log_that_cannot_be_written_changes_no_answer(world, why):
    for path in GRANTED:
        for takes in (False, True):
            scene = stage(world, path)
            with redirect_stderr(Broken(BROKEN[why], takes=takes)), world.line.watched():
                answer = scene.request()()
            assert answer.status_code == 200, f"{path.__name__}: {answer.text}"
            assert answer.json["refresh_token"] == world.token(scene.session, scene.within)


@pytest.mark.parametrize("why", BROKEN)
def test_reuse_ends_the_session_also_when_the_log_cannot_be_written(world, why):
    scene = stage(world, is_reused)
    with redirect_stderr(Broken(BROKEN[why], takes=False)):
        answer = scene.request()()
    assert (answer.status_code, answer.json["reason"]) == (400, "session_reused")
    assert scene.row()["audit"] == ["reuse_detected"]
