"""How much of a long proof runs: a slice in every `make test`, all of it in `make proof`.

`PERENNIAL_TEST_SCALE=full` chooses the whole. What a proof counted is appended to the file named by
`PERENNIAL_TEST_FIGURES`, one JSON object a line, from which `docs/proof.md` is written.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

FULL = os.getenv("PERENNIAL_TEST_SCALE") == "full"
FIGURES = os.getenv("PERENNIAL_TEST_FIGURES")
SEED = int(os.getenv("PERENNIAL_TEST_SEED") or 20261121)

Value = TypeVar("Value")


def scaled(short: Value, full: Value) -> Value:
    """The value for this run."""
    return full if FULL else short


def record(proof: str, variant: str, figures: Mapping[str, int | float | str]) -> None:
    """Remember what a proof counted. Call it after the assertions: only what held is a figure."""
    if FIGURES:
        line = json.dumps({"proof": proof, "variant": variant, **figures})
        with Path(FIGURES).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
