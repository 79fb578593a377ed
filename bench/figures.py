"""What a long proof counted, kept as lines of JSON from which `docs/proof.md` is written."""

import json
import platform
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from docs.generate import FIGURES, write

Figures = Mapping[str, int | float | str]


def keep(name: str, command: list[str], lines: Iterable[Figures], seed: int | None = None) -> None:
    """Replace the figures of one proof, with when and how they came about, and write the pages."""
    run: dict[str, int | float | str] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",  # noqa: TID251  # a measurement has a date
        "command": shlex.join(command),
        "python": platform.python_version(),
        "processors": cpu_count() or 1,
    }
    if seed is not None:
        run["seed"] = seed
    FIGURES.mkdir(exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in (run, *lines))
    (FIGURES / f"{name}.jsonl").write_text(text, encoding="utf-8")
    write()


def read(path: Path) -> list[Figures]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
