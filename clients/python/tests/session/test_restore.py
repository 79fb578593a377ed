"""What an application shows at its launch, before anything is asked of the server."""

import pytest

from perennial.book import State
from perennial.errors import ReauthRequired, StorageError
from perennial.messages import TransportError


def test_a_session_is_found_without_asking_the_server(party):
    party.signed_in()
    party.clock.advance(5000)
    party.server.plan.append(TransportError("no route", reached=False))
    session = party.session()
    assert session.restore() is State.ACTIVE
    assert session.times.age == 5000
    assert session.times.access_token_left == 0
    assert len(party.server.forms) == 1
    assert len(party.told("restored")) == 1


def test_nobody_is_found(party):
    session = party.session()
    assert session.restore() is State.SIGNED_OUT
    assert session.times is None
    assert party.events == []


def test_who_signed_out_stays_so(party):
    party.signed_in().logout()
    assert party.session().restore() is State.SIGNED_OUT


def test_why_a_session_ended_is_found_too(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.ended = "session_idle"
    with pytest.raises(ReauthRequired):
        session.token()
    found = party.session()
    assert found.restore() is State.REAUTH_REQUIRED
    assert found.reason == "session_idle"


def test_again_it_finds_what_a_sibling_did(party):
    session = party.signed_in()
    sibling = party.session()
    sibling.renew(sibling.lease())
    assert session.restore() is State.ACTIVE
    assert session.token() == "a1"
    sibling.logout()
    assert session.restore() is State.SIGNED_OUT


def test_what_cannot_be_read_is_not_signed_out(party):
    class Locked:
        def read(self):
            raise StorageError("locked")

    session = party.session(store=Locked())
    with pytest.raises(StorageError):
        session.restore()
    assert session.state is State.RESTORING


def test_the_scope_is_what_the_server_granted(party):
    tokens = party.server.tokens
    party.server.tokens = lambda: {**tokens(), "scope": "films:read"}
    session = party.signed_in(scope="films:read films:write")
    assert session.granted_scope == "films:read"
    assert party.session().granted_scope is None
