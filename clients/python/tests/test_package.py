"""What an installation brings along."""

import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files

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
