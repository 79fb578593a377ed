"""Every call that the product's code makes or receives, as places where anything may happen."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import app

OURS = str(Path(app.__file__).parent)


class Calls:
    """A profile function: counts the beginnings and ends of calls, and acts at one of them.

    `act` may raise; the interpreter then raises it where the call was made, and stops profiling.
    """

    def __init__(self, at: int = -1, act: Callable[[], None] = lambda: None) -> None:
        self.places: list[str] = []
        self._at, self._act = at, act

    def watch(self, run: Callable[[], Any]) -> Any:
        gc.disable()  # what it calls, and where, is nobody's doing
        sys.setprofile(self)
        try:
            return run()
        finally:
            sys.setprofile(None)
            gc.enable()

    @property
    def acted(self) -> bool:
        return len(self.places) > self._at >= 0

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        caller = frame if event.startswith("c_") else frame.f_back
        ours = frame.f_code.co_filename.startswith(OURS)
        if not ours and (caller is None or not caller.f_code.co_filename.startswith(OURS)):
            return
        called = frame.f_code.co_qualname if not event.startswith("c_") else argument.__name__
        asked = f"{caller.f_code.co_name}:{caller.f_lineno}" if caller is not None else ""
        self.places.append(f"{event} {called} from {asked}")
        if len(self.places) - 1 == self._at:
            self._act()


def unwatched(run: Callable[[], Any]) -> Any:
    """Something that happens elsewhere while a request is watched."""
    watching = sys.getprofile()
    sys.setprofile(None)
    try:
        return run()
    finally:
        sys.setprofile(watching)
