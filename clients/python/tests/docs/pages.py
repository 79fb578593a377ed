"""The code of a page, with its names replaced by those of the test."""

from tests.guides import DOCS, block


def run(page, names, *numbers, **known):
    """What the blocks of these numbers define, one after the other, beside what is `known`."""
    defined = {"__name__": "page", **known}
    for number in numbers:
        text = block(page, "python", {}, number)
        for printed, real in names.items():
            text = text.replace(printed, real)
        exec(compile(text, f"{page} {number}", "exec"), defined)
    return defined


def numbers(page):
    """Of all blocks of Python."""
    return range((DOCS / page).read_text().count("\n```python\n"))
