"""The house rules that a machine can check; each failure prints the offenders."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "app").rglob("*.py"))
CLIENTS = [
    *sorted((ROOT / "clients" / "conformance").rglob("*.py")),
    *sorted((ROOT / "clients" / "python").rglob("*.py")),
]
EVERYTHING = [
    *SOURCES,
    *CLIENTS,
    *sorted((ROOT / "tests").rglob("*.py")),
    *sorted((ROOT / "bench").rglob("*.py")),
]
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base_service"}
SLICE_FILES = {"__init__", "grant", "endpoint", "use_case", "tables", "commands", "jobs"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 50


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_400_lines():
    assert {name(path): lines(path) for path in EVERYTHING if lines(path) > LONGEST_FILE} == {}


def test_half_of_the_files_have_fewer_than_100_lines():
    assert statistics.median(lines(path) for path in SOURCES) < 100


def test_no_function_is_longer_than_50_lines():
    long = {
        f"{name(path)}:{function}": length
        for path in (*SOURCES, *CLIENTS)
        for function, length in functions(path)
        if length > LONGEST_FUNCTION
    }
    assert long == {}


def test_half_of_the_functions_have_fewer_than_12_lines():
    assert statistics.median(length for path in SOURCES for _, length in functions(path)) < 12


def test_names_say_the_role():
    assert [name(path) for path in (*SOURCES, *CLIENTS) if path.stem in VAGUE] == []


def test_a_slice_has_the_files_every_slice_has_and_no_others():
    slices = [path for path in SOURCES if path.is_relative_to(ROOT / "app" / "features")]
    odd = [name(path) for path in slices if path.stem not in SLICE_FILES]
    assert odd == []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_sql_lives_in_the_store_and_in_tables_only():
    """Engines, connections and errors may be named elsewhere; statements may not."""
    statements = {"select", "insert", "update", "delete", "text", "bindparam"}
    offenders = {
        name(path): module
        for path in SOURCES
        if "store" not in path.parts and path.stem != "tables"
        for module in imported(path)
        if module.startswith("sqlalchemy") and module.rpartition(".")[2] in statements
    }
    assert offenders == {}


def test_only_the_settings_meet_the_environment():
    offenders = [
        name(path)
        for path in SOURCES
        if path.name != "settings.py" and "os.environ" in path.read_text(encoding="utf-8")
    ]
    assert offenders == []


def test_every_feature_in_the_folder_is_installed():
    from app.features import installed

    folders = {path.name for path in (ROOT / "app" / "features").iterdir() if path.is_dir()}
    assert {feature.name for feature in installed("development")} == folders - {"__pycache__"}
