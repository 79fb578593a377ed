"""The whole of every test marked `proof`, and its figures: `make proof`. About an hour.

`python -m bench.proof model races` runs only these folders of `tests/`. Two run at a time, so that
both have a processor and neither has the machine for itself.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.figures import keep, read

ROOT = Path(__file__).parents[1]
FOLDERS = ("model", "races", "faults", "failover", "turnover", "origins")
AT_ONCE = 2


def prove(seed: int, folder: str) -> str:
    """Run one folder's proofs and keep their figures; what to complain of, or nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        figures, log = Path(scratch) / "figures.jsonl", Path(scratch) / "log"
        environment = {
            **os.environ,  # noqa: TID251  # a child's environment is this one's
            "PERENNIAL_TEST_REQUIRE": "browser",
            "PERENNIAL_TEST_SCALE": "full",
            "PERENNIAL_TEST_FIGURES": str(figures),
            "PERENNIAL_TEST_SEED": str(seed),
        }
        options = ["-q", "-m", "proof", "--timeout=0"]  # at full scale one test may take an hour
        command = [sys.executable, "-m", "pytest", *options, f"tests/{folder}"]
        with log.open("w", encoding="utf-8") as output:
            run = subprocess.run(
                command, cwd=ROOT, env=environment, check=False, stdout=output, stderr=output
            )
        if run.returncode:
            return f"{log.read_text(encoding='utf-8')[-4000:]}\ntests/{folder} failed"
        keep(folder, ["make", "proof"], read(figures), seed)
    print(f"tests/{folder}: proven", flush=True)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", default=FOLDERS, help="below tests/; all of them")
    parser.add_argument("--seed", type=int, default=20261121, help="where the generators begin")
    chosen = parser.parse_args()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        complaints = list(pool.map(partial(prove, chosen.seed), chosen.folders))
    if any(complaints):
        sys.exit("\n".join(filter(None, complaints)))


if __name__ == "__main__":
    main()
