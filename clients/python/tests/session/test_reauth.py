"""The way back for a person whose session is over."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.session.world import Party, answer
from perennial.book import State
from perennial.errors import ReauthRequired, SignedOut


def dead(**options):
    party = Party()
    session = party.signed_in(**options)
    party.clock.advance(900)
    party.server.ended = "session_idle"
    return party, session


def by_password(reason, session):
    session.sign_in_with_password("alice", "correct horse")
    return "ok"


def test_a_chain_brings_the_person_back_once_for_all_who_wait():
    asked = []

    def prompt(reason, session):
        asked.append(reason)
        return by_password(reason, session)

    _, session = dead(reauthenticators=[prompt])
    with ThreadPoolExecutor(50) as crowd:
        assert set(crowd.map(lambda _: session.token(), range(50))) == {"a0"}
    assert asked == ["session_idle"]
    assert session.state is State.ACTIVE


@pytest.mark.parametrize("first", ["declined", "unavailable", "raises", "refused"])
def test_the_next_one_is_asked_when_one_does_not_help(first):
    def fails(reason, session):
        if first == "raises":
            raise ValueError("no fingerprint reader")
        if first == "refused":
            party.server.plan.append(answer({"error": "invalid_grant"}, 400))
            return by_password(reason, session)
        return first

    party, session = dead(reauthenticators=[fails, by_password])
    assert session.token() == "a0"


def test_when_nobody_comes_back_the_session_is_signed_out():
    party, session = dead(reauthenticators=[lambda *_: "declined", lambda *_: "ok"])
    with pytest.raises(SignedOut) as refusal:
        session.token()
    assert refusal.value.initiator == "server"
    assert session.state is State.SIGNED_OUT
    with pytest.raises(SignedOut):
        party.session().token()


def test_nobody_is_asked_while_nobody_waits():
    asked = []
    party, session = dead(reauthenticators=[lambda *_: asked.append(1) or "declined"])
    party.server.gate.clear()
    session._engine.leave(session._engine.look(0))
    party.server.gate.set()
    party.settled(session)
    assert session.state is State.REAUTH_REQUIRED
    assert asked == []


def test_asking_for_a_token_while_coming_back_is_no_deadlock():
    heard = []

    def confused(reason, session):
        with pytest.raises(Exception, match="waiting for") as refusal:
            session.token()
        heard.append(refusal)
        return by_password(reason, session)

    _, session = dead(reauthenticators=[confused])
    assert session.token() == "a0"
    assert heard


def test_without_a_chain_signing_in_again_is_all_it_takes():
    party, session = dead()
    with pytest.raises(ReauthRequired):
        session.token()
    party.server.ended = None
    session.sign_in_with_password("alice", "correct horse")
    assert session.token() == "a0"
