import pytest

from tests.console import Console


@pytest.fixture
def perennial(any_site):
    return Console(any_site.app)


@pytest.fixture
def quick(site):
    """For what no database has a say in."""
    return Console(site.app)
