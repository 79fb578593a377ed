"""The decision table with one row taken out: which test notices first."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROTATION = "app/core/rotation.py"
TOKEN = "app/core/refresh_token.py"  # a path


@dataclass(frozen=True)
class Edit:
    path: str
    before: str
    after: str


ROWS: dict[str, tuple[Edit, ...]] = {
    "R0": (
        Edit(TOKEN, " or _checksum(signed) != checksum", ""),
        Edit(TOKEN, "    if body[0] != VERSION:\n        return None\n", ""),
    ),
    "R1": (
        Edit(
            ROTATION,
            "    if why is not None:\n        return Refuse(Rule.R1",
            "    if False:\n        return Refuse(Rule.R1",
        ),
        Edit(ROTATION, "if presented.client_id != session.client_id:", "if False:"),
        Edit(ROTATION, "if presented.channel is not session.channel:", "if False:"),
    ),
    "R1b": (
        Edit(
            ROTATION,
            "if session.binding is not Binding.NONE and presented.proof is not Proof.PROVEN:",
            "if False:",
        ),
    ),
    "R1c": (
        Edit(ROTATION, "if presented.authenticity is Authenticity.UNDECIDED:", "if False:"),
        Edit(
            ROTATION,
            "return Refuse(Rule.R1C_SECRET_AWAITED, Refusal.SECRET_AWAITED)\n"
            "        case Availability.GONE",
            "return Refuse(Rule.R1_UNKNOWN, Refusal.SECRET_GONE)\n        case Availability.GONE",
        ),
    ),
    "R2": (
        Edit(
            ROTATION,
            "return None if state is State.LIVE else Refuse(Rule.R2_OVER, Refusal.OVER, state)",
            "return None",
        ),
    ),
    "R3": (
        Edit(ROTATION, "if scopes.narrow(presented.scope, session.scope) is None:", "if False:"),
        Edit(
            ROTATION,
            "if resources.narrow(presented.resources, session.resources) is None:",
            "if False:",
        ),
    ),
    "R4": (Edit(ROTATION, "if session.generation > 1 and too_soon:", "if False:"),),
    "R5": (
        Edit(
            ROTATION,
            "return Rotate(session.generation + 1)",
            "return _repeat(Rule.R4_TOO_SOON, presented)",
        ),
    ),
    "R6": (
        Edit(ROTATION, "if policy.window > 0 and age(session, now) <= policy.window:", "if False:"),
    ),
    "R6k": (
        Edit(ROTATION, "    if bound:\n", "    if False:\n"),
        Edit(
            ROTATION,
            "if policy.window > 0 and (policy.until_used or _same_key(session, presented)):",
            "if False:",
        ),
    ),
    "R7": (
        Edit(
            ROTATION,
            "    return Reuse(behind_by)",
            "    return Refuse(Rule.R1_UNKNOWN, Refusal.FORGED)",
        ),
    ),
    "R8": (
        Edit(
            ROTATION,
            "return Heal(presented.generation + 1)",
            "return Refuse(Rule.R1_UNKNOWN, Refusal.FORGED)",
        ),
    ),
}


def without(rule: str, tree: Path, suite: str) -> str:
    """The first test of the suite that fails in a tree without the row; nothing when none does."""
    kept = {edit.path: (tree / edit.path).read_text(encoding="utf-8") for edit in ROWS[rule]}
    try:
        for edit in ROWS[rule]:
            text = (tree / edit.path).read_text(encoding="utf-8")
            if text.count(edit.before) != 1:
                sys.exit(f"{rule}: {edit.before!r} is not once in {edit.path}")
            (tree / edit.path).write_text(text.replace(edit.before, edit.after), encoding="utf-8")
        return first_failure(tree, suite)
    finally:
        for path, text in kept.items():
            (tree / path).write_text(text, encoding="utf-8")


def first_failure(tree: Path, suite: str) -> str:
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=first-failure"]
    command = [sys.executable, "-m", "pytest", *options, suite]
    run = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    failed = re.search(r"^(?:FAILED|ERROR) \S+?::(\w+)", run.stdout, re.MULTILINE)
    if run.returncode and failed is None:
        sys.exit(run.stdout[-2000:] + run.stderr[-2000:])
    return failed[1] if failed else ""
