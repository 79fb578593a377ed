from pathlib import Path

import pytest

from docs.generate import DOCS, PAGES, write


def stale(page, folder):
    """What is wrong with a page, in one line, or nothing."""
    path: Path = folder / page
    if path.is_file() and path.read_bytes() == PAGES[page]().encode():
        return ""
    return f"docs/{page} is stale: run `make docs`"


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_says_what_the_code_says(page):
    if finding := stale(page, DOCS):
        pytest.fail(finding)


def test_a_page_that_was_edited_or_deleted_is_found(tmp_path):
    write(tmp_path)
    assert not any(stale(page, tmp_path) for page in PAGES)
    for page in PAGES:
        with (tmp_path / page).open("a") as edited:
            edited.write("one more line\n")
        assert stale(page, tmp_path) == f"docs/{page} is stale: run `make docs`"
        (tmp_path / page).unlink()
        assert stale(page, tmp_path)
