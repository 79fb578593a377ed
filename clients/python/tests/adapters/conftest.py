import pytest

from clients.python.tests.adapters.web import WEBS
from clients.python.tests.api import Api
from clients.python.tests.session.world import Party


@pytest.fixture
def party():
    return Party()


@pytest.fixture
def session(party):
    return party.signed_in()


@pytest.fixture
def api(party):
    """Accepts the newest token of the token server."""
    made = Api(lambda: f"a{party.server.generation}")
    yield made
    made.close()


@pytest.fixture
def elsewhere(party):
    made = Api(lambda: f"a{party.server.generation}")
    yield made
    made.close()


@pytest.fixture(params=WEBS, ids=lambda web: web.name)
def web(request):
    return request.param
