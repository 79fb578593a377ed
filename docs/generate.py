"""Writes the pages below docs/ that are derived from code: `make docs`."""

import ast
import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from app.core import authorization_events
from app.core import events as catalogue
from app.core.events import Event
from app.settings import Settings, expected, load, variable
from docs import key_life

DOCS = Path(__file__).resolve().parent
TESTS = DOCS.parent / "tests"
LEDGER = DOCS / "compliance" / "clauses"
FIGURES = DOCS / "figures"

SETTINGS_INTRO = """\
# Settings

Generated from `app/settings.py` by `make docs`; do not edit.

Every setting is an environment variable, read once at the start. An empty value means unset.
An unknown `PERENNIAL_*` variable, a malformed or unsafe value stops the start with one line that
names the variable and what it expected (exit 2). `PERENNIAL_TEST_*` belongs to the test-suite.
"""
EVENTS_INTRO = """\
# Events

Generated from `app/core/events.py` and `authorization_events.py` by `make docs`; do not edit.

An event is one log line on stderr. With `PERENNIAL_LOG_FORMAT=json` the line is a JSON object whose
members are `event` (the name below), `level`, `at` (UTC, ISO 8601), `request_id` (empty when no
request was being served) and the fields below. `session` is a session's public id, the `sid` claim
of its access tokens. No event carries a token, a secret or a password. What the values of `why` and
`rule` mean, and the lines that are no events, are in [operations.md](operations.md#logs).
"""
CLAUSES_INTRO = """\
# Clauses by tests

Generated from the `clause` markers in `tests/` and from `clauses/*.yaml` by `make docs`; do not edit.
"""
PROOF_INTRO = """\
# Proof

Generated from `docs/figures/` by `make docs`; do not edit.

What was run to find out whether [rotation](rotation.md) does what it promises, and what came of it.
`make test` runs a slice of every one of these; the whole takes longer and has targets of its own. The
command above each table is the one that reproduces it.
"""
PROOFS = {
    "model": (
        "Random operations and every interleaving",
        (
            "A state machine drives the rules, the server on SQLite and the server on PostgreSQL with "
            "the same operations and compares what comes of them, while facts that it keeps by itself "
            "check the invariants. The explorer walks every interleaving of up to three requests, two "
            "hosts, a revocation and steps of the clock."
        ),
    ),
    "races": (
        "Crowds",
        (
            "Processes that share sessions, lose answers and are killed, while workers, servers and "
            "databases are. A *forced sign-in* is an honest client that was refused, a *family kill* a "
            "session that ended for reuse without a thief. Every history was judged by a model."
        ),
    ),
    "faults": (
        "Faults",
        (
            "Something fails before and after every call of the database driver and of the product's own "
            "code, processes are killed around the swap, databases crash, clocks jump. Whatever the answer, "
            "the token that was presented works again, with the one successor."
        ),
    ),
    "failover": (
        "Fail-over and restore",
        (
            "A primary dies under load while its standby is behind; a file is restored from an older copy. "
            "*Healed* are sessions whose tokens were ahead of the database (R8)."
        ),
    ),
    "turnover": (
        "Keys that turn over",
        (
            "Sessions are refreshed without a pause while a key signs for five seconds only. A verifier "
            "that keeps the key set for as long as it is told, and never reads it again for a key that "
            "it does not know, looks at each token when it is new and just before its end."
        ),
    ),
    "origins": (
        "Tabs",
        (
            "Three tabs of one Chromium in cookie mode, with access tokens that live for two seconds, reload "
            "as fast as they can. Each load refreshes and uses the access token; every fourth is left "
            "before its refresh is answered."
        ),
    ),
    "mutation": (
        "Mutants, and the table without a row",
        (
            "Every small change to the rules has to make a test fail, or to be the same program. Then "
            "each row of the decision table is taken out in turn: the first test that fails, among the "
            "examples and in the model."
        ),
    ),
    "soak": (
        "A million refreshes",
        (
            "The session table after so many refreshes of a thousand sessions, without a vacuum of ours. "
            "PostgreSQL: table and indexes; SQLite: the whole file."
        ),
    ),
}


@dataclass(frozen=True)
class Clause:
    """A normative requirement of one document."""

    document: str
    id: str
    level: str
    role: str
    requirement: str


@dataclass(frozen=True)
class Marked:
    """A clause id named by a marker. The test is a module or class when all its tests share it."""

    clause: str
    test: str
    place: str


# Settings


def settings() -> str:
    rows = [
        (f"`{variable(name)}`", _default(name), expected(name), str(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return f"{SETTINGS_INTRO}\n{_table(('variable', 'default', 'expected', 'meaning'), rows)}"


def _default(name: str) -> str:
    default = getattr(load({}), name)
    told = "unset" if default is None else f"`{default}`"
    if Settings.model_fields[name].default_factory is None:
        return told
    return f"{told}; in development `{getattr(load({variable('env'): 'development'}), name)}`"


# Events


def events() -> str:
    rows = [
        (f"`{event.name}`", event.level.value, _fields(event), _explained(event))
        for event in _events()
    ]
    return f"{EVENTS_INTRO}\n{_table(('event', 'level', 'fields', 'meaning'), rows)}"


def _events() -> list[type[Event]]:
    """In the order of the modules; `__subclasses__` would also list what `slots=True` replaced."""
    modules = (catalogue, authorization_events)
    found = [value for module in modules for value in vars(module).values()]
    events = [value for value in found if isinstance(value, type) and issubclass(value, Event)]
    return list(dict.fromkeys(event for event in events if event is not Event))


def _fields(event: type[Event]) -> str:
    return ", ".join(f"`{field.name}`" for field in dataclasses.fields(event))  # type: ignore[arg-type]  # every event is one


def _explained(event: type[Event]) -> str:
    """The docstring, but not the signature that a dataclass without one is given."""
    text = event.__doc__ or ""
    return "" if text.startswith(f"{event.__name__}(") else text


# Clauses


def tested_clauses() -> str:
    return clause_page(clauses(), marked())


def clause_page(ledger: Iterable[Clause], markers: Iterable[Marked]) -> str:
    tests = defaultdict(set)
    for marker in markers:
        tests[marker.clause].add(marker.test)
    documents = groupby(sorted(ledger, key=_reading_order), key=lambda clause: clause.document)
    return "\n".join(
        [CLAUSES_INTRO, *(_section(name, list(among), tests) for name, among in documents)]
    )


def _reading_order(clause: Clause) -> tuple[str, list[str | int]]:
    """Section 9 before section 10."""
    parts = re.split(r"(\d+)", clause.id)
    return clause.document, [int(part) if part.isdecimal() else part for part in parts]


def _section(document: str, among: list[Clause], tests: dict[str, set[str]]) -> str:
    ours = [clause.id in tests for clause in among if clause.role == "as"]
    count = f"## {document}\n\n{sum(ours)} of {len(ours)} server clauses are tested.\n"
    rows = [
        (clause.id, clause.level, clause.requirement, _listed(tests[clause.id]))
        for clause in among
        if clause.id in tests
    ]
    if not rows:
        return count
    return f"{count}\n{_table(('clause', 'level', 'requirement', 'tests'), rows)}"


def _listed(tests: set[str]) -> str:
    return "<br>".join(f"`{test}`" for test in sorted(tests))


def clauses(ledger: Path = LEDGER) -> list[Clause]:
    import yaml  # noqa: PLC0415 -- a test dependency; the settings page does without

    return [
        Clause(path.stem, entry["id"], entry["level"], entry["role"], entry["requirement"])
        for path in sorted(ledger.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def marked(tests: Path = TESTS) -> list[Marked]:
    """Every `pytest.mark.clause("id", …)` below a directory, read without importing a test."""
    found: list[Marked] = []
    for path in sorted(tests.rglob("*.py")):
        name, text = path.relative_to(tests.parent).as_posix(), path.read_text(encoding="utf-8")
        if "clause" in text:  # most have none, and to parse them all takes seconds
            found += _marked_below(ast.parse(text, name), name, name)
    return found


def _marked_below(node: ast.AST, path: str, test: str) -> Iterator[Marked]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        test = f"{test}::{node.name}"
    if isinstance(node, ast.Call) and _is_clause_marker(node.func):
        place = f"{path}:{node.lineno}"
        yield from (Marked(clause, test, place) for clause in _ids(node, place))
        return
    if _is_clause_marker(node):
        raise _unreadable(f"{path}:{getattr(node, 'lineno', 0)}")
    for child in ast.iter_child_nodes(node):
        yield from _marked_below(child, path, test)


def _is_clause_marker(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node).endswith("mark.clause")


def _ids(marker: ast.Call, place: str) -> list[str]:
    values = [node.value for node in marker.args if isinstance(node, ast.Constant)]
    ids = [value for value in values if isinstance(value, str)]
    if marker.keywords or not ids or len(ids) != len(marker.args):
        raise _unreadable(place)
    return ids


def _unreadable(place: str) -> ValueError:
    return ValueError(f"{place}: a clause marker takes ids as plain strings, where it is used")


# Proof


def proof() -> str:
    files = [FIGURES / f"{name}.jsonl" for name in PROOFS]
    return "\n".join([PROOF_INTRO, *(_counted(path) for path in files if path.is_file())])


def _counted(path: Path) -> str:
    """One run: how it was made, then a table for each proof, a line for each variant."""
    run, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    seed = f", seed {run['seed']}" if "seed" in run else ""
    made = (
        f"`{run['command']}`, {run['date']}, Python {run['python']}, {run['processors']} processors"
    )
    tables = [
        f"### {name[:1].upper()}{name[1:]}\n\n{_variants(list(among))}"
        for name, among in groupby(sorted(lines, key=_by_proof), key=_by_proof)
    ]
    title, story = PROOFS[path.stem]
    return "\n".join([f"## {title}\n\n{story}\n\n{made}{seed}.\n", *tables])


def _by_proof(line: dict[str, object]) -> str:
    return str(line["proof"])


def _variants(lines: list[dict[str, object]]) -> str:
    named = dict.fromkeys(name for line in lines for name in line)
    columns = [name for name in named if name not in {"proof", "variant"}]
    rows = [
        (str(line["variant"]), *(_figure(line.get(name)) for name in columns)) for line in lines
    ]
    return _table(("", *columns), rows)


def _figure(value: object) -> str:
    """Thousands apart."""
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


# Pages


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(_cell, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "events.md": events,
    "compliance/tested-clauses.md": tested_clauses,
    "proof.md": proof,
    "keys.svg": key_life.svg,
}


def write(folder: Path = DOCS) -> None:
    for page, text in PAGES.items():
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8", newline="\n")


def main() -> None:
    write()


if __name__ == "__main__":
    main()
