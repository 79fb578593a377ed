"""Code of the pages in docs, so that what is printed there is what is tried."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def block(page: str, language: str, changes: Mapping[str, str], number: int = 0) -> str:
    """A block of the page, with names of the example replaced by those of the test."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL
    )
    text = blocks[number]
    for old, new in changes.items():
        assert old in text, f"{page} no longer says {old!r}"
        text = text.replace(old, new)
    return text


def words(command: str) -> list[str]:
    """Of a command that may go on in the next line."""
    return shlex.split(command.replace("\\\n", " "))
