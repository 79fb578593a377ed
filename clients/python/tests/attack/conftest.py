import pytest

from clients.python.tests.session.world import Party


@pytest.fixture
def party():
    return Party()
