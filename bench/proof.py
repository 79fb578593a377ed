"""The whole of every test marked `proof`, and its figures: `make proof`. About half an hour."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import keep, read

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261121, help="where the generators begin")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = Path(scratch) / "figures.jsonl"
        environment = {
            **os.environ,  # noqa: TID251  # a child's environment is this one's
            "PERENNIAL_TEST_SCALE": "full",
            "PERENNIAL_TEST_FIGURES": str(figures),
            "PERENNIAL_TEST_SEED": str(chosen.seed),
        }
        command = [sys.executable, "-m", "pytest", "-m", "proof", "--durations=20"]
        run = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if run.returncode:
            sys.exit("a proof failed: docs/proof.md is left as it was")
        keep("proof", ["make", "proof"], read(figures), chosen.seed)


if __name__ == "__main__":
    main()
