"""Mutants of the rules, and the twelve rows of the decision table taken out one by one.

Every mutant has to be killed by `tests/core`, or be listed below with the reason why it is the same
program: `make mutation`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figures, keep
from bench.rows import ROWS, without

ROOT = Path(__file__).parents[1]
COPIED = ("app", "tests", "docs", "migrations", "bench", "pyproject.toml", "gunicorn.conf.py")


@dataclass(frozen=True)
class Equivalent:
    """A change that nothing can notice: what is removed, what is put there, and why."""

    removed: str
    added: str
    why: str


EQUIVALENT = (
    Equivalent(r"case unreachable:", "", "for the type checker; no value comes here"),
    Equivalent(
        r"assert_never\(unreachable\)",
        r"assert_never\(None\)",
        "for the type checker; no value comes here",
    ),
    Equivalent('"sha256"', '"SHA256"', "two spellings of one algorithm"),
    Equivalent(', "big"', r", \)", "big-endian is the default of int.to_bytes and int.from_bytes"),
    Equivalent("assert rule is not None", "assert rule is not None", "the words of an assertion"),
)


def tree(folder: Path) -> Path:
    """A copy of what the tests of the core need."""
    copy = folder / "tree"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    return copy


def mutmut(copy: Path, *arguments: str) -> str:
    """Its output without the progress line, which is drawn over itself."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    run = subprocess.run(
        command, cwd=copy, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if run.returncode:
        sys.exit(run.stdout[-2000:])
    return run.stdout


def change(copy: Path, mutant: str) -> tuple[str, str]:
    """The lines that a mutant removes and adds."""
    lines = mutmut(copy, "show", mutant).splitlines()
    changed = [line for line in lines if not line.startswith(("--- ", "+++ "))]
    removed, added = (
        " ".join(line[1:].strip() for line in changed if line.startswith(sign)) for sign in "-+"
    )
    return removed, added


def reason(removed: str, added: str) -> str | None:
    for known in EQUIVALENT:
        if re.search(known.removed, removed) and re.search(known.added, added):
            return known.why
    return None


def mutants(copy: Path) -> list[Figures]:
    total = re.findall(r"(\d+)/(\d+)", mutmut(copy, "run"))[-1][1]
    results = [line.split(":") for line in mutmut(copy, "results").splitlines() if ":" in line]
    alive = [name.strip() for name, state in results if state.strip() != "killed"]
    same: list[tuple[str, str]] = []
    for mutant in alive:
        removed, added = change(copy, mutant)
        why = reason(removed, added)
        if why is None:
            sys.exit(f"{mutant} is alive:\n- {removed}\n+ {added}")
        same.append((mutant, why))
    counted: Figures = {
        "proof": "mutants of rotation, refresh_token, sessions",
        "variant": "tests/core",
        "mutants": int(total),
        "killed": int(total) - len(same),
        "equivalent": len(same),
        "alive": 0,
    }
    reasons = sorted({why for _, why in same})
    listed: list[Figures] = [
        {
            "proof": "equivalent mutants",
            "variant": why,
            "mutants": sum(why == other for _, other in same),
        }
        for why in reasons
    ]
    return [counted, *listed]


def rows(copy: Path) -> list[Figures]:
    found: list[Figures] = []
    for rule in ROWS:
        told: dict[str, int | float | str] = {"proof": "the table without a row", "variant": rule}
        for column, suite in (
            ("examples", "tests/core"),
            ("model", "tests/model"),
        ):
            told[column] = without(rule, copy, suite)
            if not told[column]:
                sys.exit(f"without {rule} {suite} still passes")
        found.append(told)
        print(f"without {rule}: {told['examples']}; {told['model']}", flush=True)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = tree(Path(scratch))
        lines = mutants(copy)
        shutil.rmtree(copy / "mutants")
        keep("mutation", ["make", "mutation"], [*lines, *rows(copy)])


if __name__ == "__main__":
    main()
