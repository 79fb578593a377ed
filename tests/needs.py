"""Tests that need a program of the machine: `@pytest.mark.needs("node")`.

Where it is missing they do not run, and the last line of the run says so. For a kind that
`PERENNIAL_TEST_REQUIRE` names they fail instead.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

VARIABLE = "PERENNIAL_TEST_REQUIRE"
KINDS = ("browser", "node", "httpd")
NODE_MODULES = Path(__file__).parent / "peers" / "node" / "node_modules"
BROWSER_MODULES = Path(__file__).parent / "browser" / "node" / "node_modules"
APACHE_MODULES = Path("/usr/lib/apache2/modules")
NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")


@dataclass(frozen=True)
class Program:
    kind: str
    missing: Callable[[], str | None]


def first_of(*names: str) -> Callable[[], str | None]:
    return lambda: None if any(shutil.which(name) for name in names) else names[0]


def node() -> str | None:
    return first_of("node")() or (None if NODE_MODULES.is_dir() else "node_modules")


def apache() -> str | None:
    module = APACHE_MODULES / "mod_oauth2.so"
    return first_of("apache2")() or (None if module.is_file() else "mod_oauth2")


def nginx() -> str | None:
    return first_of("nginx")() or (None if NGINX_MODULE.is_file() else "njs")


def chromium() -> str | None:
    return first_of("chromium", "chromium-browser", "google-chrome")() or first_of("chromedriver")()


def browser_packages() -> str | None:
    """Scripts for a browser: they are installed by npm, and run without Node."""
    return chromium() or (None if BROWSER_MODULES.is_dir() else BROWSER_MODULES.name)


PROGRAMS = {
    "chromium": Program("browser", chromium),
    "browser packages": Program("browser", browser_packages),
    "node": Program("node", node),
    "apache": Program("httpd", apache),
    "nginx": Program("httpd", nginx),
}


def required() -> frozenset[str]:
    named = frozenset(filter(None, os.getenv(VARIABLE, "").replace(" ", "").split(",")))
    if not named <= set(KINDS):
        raise pytest.UsageError(f"{VARIABLE}: a list of {', '.join(KINDS)} was expected")
    return named


def pytest_configure(config: pytest.Config) -> None:
    required()
    line = f"needs(program): one of {', '.join(PROGRAMS)}; where it is missing the test is NOT RUN"
    config.addinivalue_line("markers", line)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(NotRun(config), "not-run")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        (name,) = marker.args
        program = PROGRAMS[name]
        missing = program.missing()
        if missing is None:
            continue
        if program.kind in required():
            pytest.fail(f"{missing} is missing, and {VARIABLE} names {program.kind}", pytrace=False)
        # Properties of a report reach the process that counts, from wherever the test ran.
        item.user_properties.append(("not run", (program.kind, missing)))
        pytest.skip(f"{missing} is missing")


class NotRun:
    """Counts what did not run and says it in one line, after everything else."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._kinds: Counter[str] = Counter()
        self._missing: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties if report.when == "setup" else ():
            if name == "not run":
                kind, missing = value
                self._kinds[kind] += 1
                self._missing.add(missing)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        if not self._kinds:
            return
        counts = ", ".join(f"{self._kinds[kind]} {kind}" for kind in KINDS)
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        terminal.write_line(f"NOT RUN: {counts} (missing {', '.join(sorted(self._missing))})")
