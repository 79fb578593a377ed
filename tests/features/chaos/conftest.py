import pytest

from tests.conftest import MakeSite
from tests.site import Site


@pytest.fixture
def development(make_site: MakeSite) -> Site:
    """A development server with a person."""
    site = make_site(env="development")
    site.user()
    return site
