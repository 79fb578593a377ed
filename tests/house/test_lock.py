"""What is locked is all that pip looks at, whatever is published later."""

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([\w.-]+)(?:\[([\w,.-]+)\])?==", re.MULTILINE)


def locked(name: str) -> dict[str, set[str]]:
    """Each locked distribution with the extras its line names."""
    text = (ROOT / "requirements" / name).read_text()
    return {
        canonicalize_name(pin): set(filter(None, extras.split(",")))
        for pin, extras in PIN.findall(text)
    }


def wanted(distribution: str, extras: set[str]) -> list[Requirement]:
    """What an installed distribution asks for here, with the extras of its line."""
    try:
        lines = requires(distribution) or []
    except PackageNotFoundError:  # a line for another system
        return []
    all_of_them = [Requirement(line) for line in lines]
    return [
        need
        for need in all_of_them
        if need.marker is None
        or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras})
    ]


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_an_extra_that_is_asked_for_is_locked_under_its_name(name):
    """Pip of Python 3.11 takes the newest `a[x]` for one that has no hash when only `a` is locked."""
    lock = locked(name)
    unlocked = {
        f"{distribution} asks for {need}"
        for distribution, extras in lock.items()
        for need in wanted(distribution, extras)
        if not need.extras <= lock.get(canonicalize_name(need.name), set())
    }
    assert unlocked == set()
