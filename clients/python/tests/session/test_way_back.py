"""While a person is asked to sign in again, they may do it elsewhere, or go."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.sign_in.test_reauth import Step, over
from perennial.book import State
from perennial.errors import ConfigError, ReauthRequired, SignedOut


@pytest.fixture
def step():
    made = Step("declined")
    made.gate.clear()
    yield made
    made.gate.set()


@pytest.fixture
def crowd():
    with ThreadPoolExecutor(1) as made:
        yield made


def test_a_declined_prompt_ends_no_session_that_began_meanwhile(step, crowd):
    party, session = over(step)
    waiting = crowd.submit(session.token)
    assert step.asked.wait(30)
    session.sign_in_with_password("alice", "correct horse")
    step.gate.set()
    assert waiting.result(30) == "a0"
    assert session.state is State.ACTIVE
    assert party.told("signed_out") == []


def test_who_signs_out_while_being_asked_is_told_once(step, crowd):
    party, session = over(step)
    waiting = crowd.submit(session.token)
    assert step.asked.wait(30)
    session.logout()
    step.gate.set()
    with pytest.raises(SignedOut) as refusal:
        waiting.result(30)
    assert refusal.value.initiator == "user"
    assert [event.initiator for event in party.told("signed_out")] == ["user"]


def test_who_cannot_wait_for_the_person_hears_that_one_is_needed(step):
    _, session = over(step)
    with pytest.raises(ReauthRequired):
        session.token(timeout=0.05)


def test_the_end_of_a_program_does_not_wait_for_a_person(step, crowd):
    _, session = over(step)
    waiting = crowd.submit(session.token)
    assert step.asked.wait(30)
    closed = threading.Thread(target=session.close, daemon=True)
    closed.start()
    closed.join(5)
    assert not closed.is_alive()
    step.gate.set()
    with pytest.raises(SignedOut):
        waiting.result(30)


def test_a_sign_in_is_no_refresh(party):
    session = party.signed_in()
    session.sign_in_with_password("bob", "battery staple")
    assert [event.name for event in party.events] == ["signed_in", "signed_in"]


@pytest.mark.parametrize(
    "origin", ["api.example.com", "https://api.example.com:x", "http://api.example.com"]
)
def test_an_origin_that_could_never_be_met_is_refused(party, origin):
    with pytest.raises(ConfigError):
        party.session(allowed_origins=[origin])
