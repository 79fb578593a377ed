"""What cannot run here is counted in the last line, or fails where it is required."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.needs("node")
@pytest.mark.parametrize("n", [1, 2])
def test_node(n): ...

@pytest.mark.needs("nginx")
def test_nginx(): ...

def test_other(): ...
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """A run of TESTS on a machine with an empty PATH; its lines and its exit code."""
    pytester.makeconftest('pytest_plugins = ["tests.needs"]')
    pytester.makepyfile(TESTS)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", str(pytester.path))
    monkeypatch.delenv("PERENNIAL_TEST_REQUIRE", raising=False)

    def go(*args, require=None):
        if require is not None:
            monkeypatch.setenv("PERENNIAL_TEST_REQUIRE", require)
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)
        return result.outlines, result.ret, result.errlines

    return go


@pytest.mark.parametrize("args", [[], ["--numprocesses=2"]])
def test_the_last_line_counts_what_did_not_run(run, args):
    lines, code, _ = run(*args)
    assert code == 0
    assert lines[-1] == "NOT RUN: 0 browser, 2 node, 1 httpd (missing nginx, node)"
    assert sum("NOT RUN" in line for line in lines) == 1
    assert re.search(r"1 passed, 3 skipped", lines[-2])


@pytest.mark.parametrize("args", [[], ["--numprocesses=2"]])
def test_what_is_required_fails(run, args):
    lines, code, _ = run(*args, require="browser, node")
    assert code == 1
    assert lines[-1] == "NOT RUN: 0 browser, 0 node, 1 httpd (missing nginx)"
    assert re.search(r"2 (failed|errors).*1 skipped|1 passed, 1 skipped, 2 errors", lines[-2])


def test_what_does_not_exist_cannot_be_required(run):
    _, code, errors = run(require="nodejs")
    assert code == 4
    assert any("browser, node, httpd was expected" in line for line in errors)


def test_without_such_tests_the_line_is_not_there(run):
    lines, code, _ = run("-k", "other")
    assert code == 0
    assert not any("NOT RUN" in line for line in lines)
