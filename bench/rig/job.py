"""What each process of the rig is to do, and what the libraries without a store get for one."""

import json
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CLIENT, PERSON, PASSWORD = "conformance", "ana", "correct horse"


@dataclass(frozen=True)
class Job:
    """`kill`: the share of refreshes whose process dies between the answer and the store. `skew`:
    how many seconds before its end an access token is renewed, where the library can be told.
    """

    kind: str
    issuer: str
    folder: str
    until: float
    kill: float
    seed: int
    skew: float

    def deadly(self) -> Callable[[], None]:
        """To be called before a new token is stored."""
        chance = random.Random(self.seed)

        def perhaps_die() -> None:
            if chance.random() < self.kill:
                os.kill(os.getpid(), signal.SIGKILL)

        return perhaps_die


class Client(Protocol):
    def __init__(self, job: Job) -> None: ...

    def call(self) -> int:
        """The status of the API's answer; 0 when there was none because the session is over."""
        ...

    def sign_in(self) -> None: ...


class Shared:
    """A token file without a lock, as the guides of the libraries below have it."""

    def __init__(self, job: Job) -> None:
        self._path = Path(job.folder) / "token.json"
        self._perhaps_die = job.deadly()

    def read(self) -> dict[str, Any] | None:
        try:
            token: dict[str, Any] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return None
        return token

    def write(self, token: dict[str, Any], *_: object, **__: object) -> None:
        self._perhaps_die()
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(token))
        fresh.replace(self._path)
