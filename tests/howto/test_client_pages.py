"""The commands of docs/client and of the client's README, at a server."""

import re
from pathlib import Path

import pytest

from tests.guides import DOCS, words

README = DOCS.parent / "clients" / "python" / "README.md"
COMMAND = re.compile(r"^perennial (client create (?:.*\\\n)*.*)$", re.MULTILINE)
PAGES = [
    page
    for page in (README, *sorted((DOCS / "client").glob("*.md")))
    if COMMAND.search(page.read_text())
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_registration_of_the_page_is_accepted(server, page: Path):
    (command,) = COMMAND.findall(page.read_text())
    made = server.cli(*words(command))
    assert made.returncode == 0, made.stderr
    assert "client_id" in made.stdout


def test_each_page_is_named_by_the_first_one():
    listed = (DOCS / "client" / "README.md").read_text()
    for page in (DOCS / "client").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in listed
