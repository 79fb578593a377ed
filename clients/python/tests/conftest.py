from functools import partial

import pytest

from clients.python.tests.party import AUDIENCE, Clock, Listening, Party, at_once
from perennial.verify import InvalidToken, Verifier


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def party(clock):
    return Party(clock)


@pytest.fixture
def make(party, clock):
    """A verifier whose requests are answered from memory, at once."""
    return partial(
        Verifier,
        issuer=party.issuer,
        audience=AUDIENCE,
        transport=party,
        clock=clock,
        timer=clock,
        spawn=at_once,
        timeout=0,
    )


@pytest.fixture
def verifier(make):
    return make()


@pytest.fixture
def reason(verifier):
    """Why the verifier, or the one given, refuses a token."""

    def why(token, by=None):
        with pytest.raises(InvalidToken) as refusal:
            (by or verifier).verify(token)
        return refusal.value.reason.value

    return why


@pytest.fixture
def listening(clock):
    server = Listening(clock)
    yield server
    server.close()
