"""One server for the tests of a module that leave nothing behind."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import Site, Template


@pytest.fixture(scope="module")
def standing(sqlite_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("standing")
    file = folder / "site.db"
    shutil.copyfile(sqlite_template.database_url.removeprefix("sqlite:///"), file)
    site = Site(f"sqlite:///{file}", sqlite_template.copy_keys(folder))
    yield site
    site.close()
