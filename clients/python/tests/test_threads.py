"""Many threads, forks, and servers that hang."""

import gc
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from clients.python.tests.party import AUDIENCE, ISSUER, JWKS, at_once
from perennial.verify import InvalidToken, Unavailable, Verifier
from perennial.verify.flight import spawn


class Gate:
    """A transport that answers when the test lets it."""

    def __init__(self, party):
        self.party, self.open, self.asked = party, threading.Event(), threading.Event()

    def __call__(self, request):
        self.asked.set()
        assert self.open.wait(30)
        return self.party(request)


@pytest.fixture
def flights():
    """Every flight that was started, so that a test can wait for its end."""
    started = []

    def spawning(work):
        started.append(spawn(work))
        return started[-1]

    spawning.started = started
    yield spawning
    wait(started, 30)


@pytest.fixture
def gate(party, flights):
    gate = Gate(party)
    yield gate
    gate.open.set()


def test_many_threads_cause_one_fetch(party, make, gate, flights):
    verifier = make(transport=gate, timeout=30, spawn=flights)
    token = party.token()
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(verifier.verify, token) for _ in range(64)]
        assert gate.asked.wait(30)
        gate.open.set()
        assert {answer.result(30).subject for answer in answers} == {"ana"}
    assert party.count(JWKS) == 1


def test_who_has_an_old_copy_waits_for_the_new_one(party, clock, make, gate, flights):
    verifier = make(transport=gate, timeout=30, spawn=flights)
    token = party.token(exp=int(clock()) + 3600)
    gate.open.set()
    assert verifier.verify(token).subject == "ana"
    gate.open.clear()
    gate.asked.clear()
    party.publish("second")
    clock.advance(300)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(verifier.verify, token)
        assert gate.asked.wait(30)
        gate.open.set()
        with pytest.raises(InvalidToken):
            answer.result(30)


def test_a_server_that_hangs_holds_nobody_longer_than_the_timeout(party, make, gate, flights):
    verifier = make(transport=gate, timeout=0, spawn=flights)
    for _ in range(3):
        with pytest.raises(Unavailable):
            verifier.verify(party.token())
    gate.open.set()
    wait(flights.started, 30)
    assert party.count(JWKS) <= 1


def test_no_thread_is_left_behind(party, make, flights):
    verifier = make(timeout=30, spawn=flights)
    assert verifier.verify(party.token()).subject == "ana"
    wait(flights.started, 30)
    for thread in threading.enumerate():
        if thread.name == "perennial-verify":
            thread.join(30)
    assert "perennial-verify" not in {thread.name for thread in threading.enumerate()}


def test_a_thread_that_cannot_be_started_is_a_failure_to_fetch(party, make, monkeypatch):
    def no_thread(self):
        raise RuntimeError("can't start new thread")

    verifier = make(spawn=spawn)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Unavailable):
            verifier.verify(party.token())
    assert make(timeout=30, spawn=spawn).verify(party.token()).subject == "ana"


def test_a_defect_in_the_transport_is_a_failure_to_fetch(party, clock, make):
    def broken(request):
        raise ZeroDivisionError

    with pytest.raises(Unavailable):
        make(transport=broken).verify(party.token())


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_during_a_fetch_leaves_the_child_able_to_fetch(party, make, gate, flights):
    verifier = make(transport=gate, timeout=0, spawn=flights, jwks_uri=ISSUER + JWKS)
    token = party.token()
    with pytest.raises(Unavailable):
        verifier.verify(token)
    assert gate.asked.wait(30)

    def child(pipe):
        gate.open.set()
        object.__setattr__(verifier._world, "timeout", 30)
        pipe.send((verifier.verify(token).subject, os.getpid()))

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    there.close()
    assert here.poll(30), "the child waits for a thread that it does not have"
    subject, pid = here.recv()
    process.join(30)
    assert (subject, process.exitcode) == ("ana", 0)
    assert pid != os.getpid()


def test_verifiers_that_are_gone_are_not_remembered(make):
    from perennial.verify.document import _DOCUMENTS

    gc.collect()
    before = len(_DOCUMENTS)
    make(spawn=at_once)
    gc.collect()
    assert len(_DOCUMENTS) == before


def test_the_standard_transport_is_made_without_being_asked():
    assert Verifier("https://id.example.com", AUDIENCE)._world.transport
