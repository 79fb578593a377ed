"""Code of the pages in docs/verifying, so that what is printed there is what is tried."""

import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "verifying"


def code(page: str, language: str, changes: dict[str, str], number: int = 0) -> str:
    """A block of the page, with names of the example replaced by those of the test."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL
    )
    text = blocks[number]
    for old, new in changes.items():
        assert old in text, f"{page} no longer says {old!r}"
        text = text.replace(old, new)
    return text
