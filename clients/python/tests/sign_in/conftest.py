import pytest

from clients.python.tests.sign_in.office import Party


@pytest.fixture
def party():
    return Party()


@pytest.fixture
def session(party):
    return party.session(scope="films:read")
