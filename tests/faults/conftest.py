"""One world of faults on each database."""

import pytest

from tests.faults.scenes import World


@pytest.fixture
def world(make_any_site):
    return World(make_any_site(), make_any_site())
