"""The way back for a person whose session is over: who is asked, how often, and what it leads to."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.session.world import answer
from clients.python.tests.sign_in.office import PENDING, Party
from clients.python.tests.sign_in.test_browser import Person
from perennial import prompts
from perennial.book import State
from perennial.errors import ReauthRequired, SessionError, SignedOut
from perennial.messages import TransportError

WRONG = answer({"error": "invalid_grant"}, 400)


class Step:
    """A reauthenticator that answers as it is told, when it may."""

    def __init__(self, said, *, signs_in=None):
        self.said = said
        self.signs_in = said == "ok" if signs_in is None else signs_in
        self.reasons = []
        self.asked, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, reason, session):
        self.reasons.append(reason)
        self.asked.set()
        assert self.gate.wait(30)
        if isinstance(self.said, Exception):
            raise self.said
        if self.signs_in:
            session.sign_in_with_password("alice", "correct horse")
        return self.said


def over(*chain):
    """A session that the server has just ended."""
    party = Party()
    session = party.signed_in(reauthenticators=chain)
    party.clock.advance(900)
    party.server.ended = "session_idle"
    real = party.server.grant

    def grant(form):
        said = real(form)
        if form["grant_type"] != "refresh_token" and said.status == 200:
            party.server.ended = None
        return said

    party.server.grant = grant
    return party, session


def test_who_signs_in_again_goes_on():
    step = Step("ok")
    party, session = over(step)
    assert session.token() == "a0"
    assert step.reasons == ["session_idle"]
    assert session.state is State.ACTIVE
    assert len(party.told("reauth_required")) == 1
    assert len(party.told("signed_in")) == 2


@pytest.mark.parametrize(
    "first",
    ["declined", "unavailable", SignedOut("user"), ReauthRequired("x"), OSError("no screen")],
    ids=str,
)
def test_who_does_not_brings_the_next_one_on(first):
    steps = [Step(first, signs_in=False), Step("ok"), Step("ok")]
    _, session = over(*steps)
    assert session.token() == "a0"
    assert [len(step.reasons) for step in steps] == [1, 1, 0]


def test_saying_ok_is_not_enough():
    steps = [Step("ok", signs_in=False), Step("ok")]
    _, session = over(*steps)
    assert session.token() == "a0"
    assert len(steps[1].reasons) == 1


def test_when_the_last_one_fails_the_person_is_signed_out():
    steps = [Step("unavailable"), Step("declined")]
    party, session = over(*steps)
    with pytest.raises(SignedOut) as refusal:
        session.token()
    assert refusal.value.initiator == "server"
    assert session.state is State.SIGNED_OUT
    assert len(party.told("signed_out")) == 1
    with pytest.raises(SignedOut):
        session.token()
    assert [len(step.reasons) for step in steps] == [1, 1], "nobody is asked again and again"
    with pytest.raises(SignedOut):
        party.session().token()


@pytest.mark.parametrize("said", ["ok", "declined"])
def test_fifty_who_wait_cause_one_prompt(said):
    step = Step(said)
    step.gate.clear()
    party, session = over(step)
    answers = []

    def in_thread():
        try:
            answers.append(session.token())
        except SessionError as error:
            answers.append(type(error))

    async def in_loop():
        found = await asyncio.gather(*(session.atoken() for _ in range(25)), return_exceptions=True)
        answers.extend(each if isinstance(each, str) else type(each) for each in found)

    with ThreadPoolExecutor(26) as crowd:
        waiting = [crowd.submit(in_thread) for _ in range(25)]
        waiting.append(crowd.submit(asyncio.run, in_loop()))
        assert step.asked.wait(30)
        while session._engine._hangar.flight.waiters < 50:
            threading.Event().wait(0.001)
        step.gate.set()
        for each in waiting:
            each.result(30)
    assert answers == ["a0" if said == "ok" else SignedOut] * 50
    assert step.reasons == ["session_idle"]
    assert len(party.server.refreshes) == 1


def test_a_password_is_asked_for_until_it_is_right():
    typed = iter(["wrong", "wrong", "correct horse"])
    party, session = over(prompts.password_prompt(lambda: "alice", lambda: next(typed)))
    party.server.plan.extend([answer({"error": "invalid_grant"}, 400), WRONG, WRONG])
    assert session.token() == "a0"
    assert [form.get("password") for form in party.server.forms[-3:]] == [
        "wrong",
        "wrong",
        "correct horse",
    ]


def end_of_file():
    raise EOFError


@pytest.mark.parametrize(
    ("username", "password", "asked"),
    [
        (lambda: None, lambda: "x", 0),
        (lambda: "alice", lambda: None, 0),
        (end_of_file, lambda: "x", 0),
        (lambda: "alice", end_of_file, 0),
        (lambda: "alice", lambda: "wrong", 3),
    ],
)
def test_a_person_who_does_not_know_it_is_asked_otherwise(username, password, asked):
    then = Step("ok")
    party, session = over(prompts.password_prompt(username, password), then)
    party.server.plan.extend([answer({"error": "invalid_grant"}, 400), *[WRONG] * asked])
    assert session.token() == "a0"
    assert len(then.reasons) == 1
    assert len(party.server.forms) == 1 + 1 + asked + 1


@pytest.mark.parametrize(
    "said",
    [
        TransportError("no route", reached=False),
        answer({"error": "unsupported_grant_type"}, 400),
        answer(b"<html>", 502),
    ],
)
def test_a_way_that_is_closed_is_not_tried_twice(said):
    then = Step("ok")
    party, session = over(prompts.password_prompt(lambda: "alice", lambda: "right"), then)
    party.server.plan.extend([answer({"error": "invalid_grant"}, 400), said])
    assert session.token() == "a0"
    assert len(then.reasons) == 1


def test_a_browser_brings_a_person_back():
    person = Person()
    _, session = over(prompts.browser(open=person, timeout=10))
    assert session.token(timeout=20) == "a0"
    assert person.page[0] == 200


@pytest.mark.parametrize(
    "step",
    [
        prompts.browser(open=lambda _: False),
        prompts.browser(open=lambda _: None, timeout=0.01),
        prompts.browser(open=Person(error="access_denied"), timeout=10),
    ],
)
def test_a_browser_that_does_not_brings_the_next_one_on(step):
    _, session = over(step, Step("ok"))
    assert session.token(timeout=20) == "a0"


def test_another_device_brings_a_person_back():
    shown = []
    party, session = over(prompts.device(shown.append))
    party.server.polls.append(PENDING)
    assert session.token() == "a0"
    assert len(shown) == 1


def test_another_device_that_does_not_brings_the_next_one_on():
    party, session = over(prompts.device(lambda _: None), Step("ok"))
    party.server.polls.append(answer({"error": "access_denied"}, 400))
    assert session.token() == "a0"


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (WRONG, "declined"),
        (answer({"error": "unauthorized_client"}, 400), "unavailable"),
        (TransportError("no route", reached=False), "unavailable"),
        (answer(b"<html>", 502), "unavailable"),
    ],
)
def test_no_is_told_from_not_now(said, answered):
    party = Party()
    party.server.plan.append(said)
    ask = prompts.password_prompt(lambda: "alice", lambda: "wrong", attempts=1)
    assert ask("session_idle", party.session()) == answered


def test_an_end_of_file_is_a_no():
    assert prompts.password_prompt(end_of_file, end_of_file)("", Party().session()) == "declined"
