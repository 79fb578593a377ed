"""What an installation brings along."""

import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files
from importlib.util import find_spec

import pytest

IMPORTED = "import sys, {0}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"


def imported_with(module):
    command = [sys.executable, "-c", IMPORTED.format(module)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_package_itself_needs_nothing():
    needed = requires("perennial-client")
    assert [each for each in needed if "extra ==" not in each] == []
    assert {"joserfc", "flask", "starlette"} & imported_with("perennial") == set()


def test_verifying_needs_no_framework():
    assert {"flask", "starlette", "httpx"} & imported_with("perennial.verify") == set()


def test_the_package_has_types():
    assert files("perennial").joinpath("py.typed").is_file()


def test_every_name_is_there_when_it_is_asked_for():
    import perennial
    from perennial import FileStore, Session  # the README's own line

    assert Session.__name__ == "Session"
    assert FileStore.__name__ == "FileStore"
    for name in set(perennial.__all__) - {"KeyringStore"}:
        assert getattr(perennial, name).__name__ == name
    with pytest.raises(AttributeError, match="Nonsense"):
        perennial.Nonsense  # noqa: B018  # it is looked up


def test_importing_the_package_is_cheap():
    def loaded(module):
        return {name for name in imported_with(module) if not name.startswith("_")}

    dear = {"asyncio", "http", "urllib", "email", "ssl", "socket", "webbrowser", "argparse"}
    assert {"perennial"} == loaded("perennial") - loaded("sys, importlib, typing")
    assert dear & loaded("perennial.session") <= {"urllib"}


def test_an_adapter_needs_its_own_library_only():
    libraries = {"httpx", "httpx2", "requests", "keyring", "joserfc"}
    there = [each for each in sorted(libraries) if find_spec(each) is not None]
    for each in {"httpx", "httpx2", "requests", "urllib"} & {*there, "urllib"}:
        assert libraries & imported_with(f"perennial.{each}") <= {each}
