"""The same decisions under asyncio, without holding up the loop."""

import asyncio
import threading
from concurrent.futures import wait

import pytest

from clients.python.tests.party import AUDIENCE, JWKS, new_key
from perennial.verify import AsyncVerifier, InsufficientScope, InvalidToken, Unavailable
from perennial.verify.flight import spawn


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def flights(gate):
    started = []
    yield started
    gate.set()
    wait(started, 30)


@pytest.fixture
def make(party, clock, gate, flights):
    def transport(request):
        assert gate.wait(30)
        return party(request)

    def spawning(work):
        flights.append(spawn(work))
        return flights[-1]

    def made(**options):
        return AsyncVerifier(
            party.issuer, AUDIENCE, transport=transport, clock=clock, timer=clock, spawn=spawning,
            **options,
        )  # fmt: skip

    return made


def test_the_loop_goes_on_while_keys_are_fetched(party, make, gate):
    async def story():
        verifier = make(timeout=30)
        tasks = [asyncio.create_task(verifier.verify(party.token())) for _ in range(20)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)
        gate.set()
        return await asyncio.gather(*tasks)

    assert {token.subject for token in asyncio.run(story())} == {"ana"}
    assert party.count(JWKS) == 1


def test_a_task_that_is_cancelled_does_not_take_the_others_along(party, make, gate):
    async def story():
        verifier = make(timeout=30)
        first, second = (asyncio.create_task(verifier.verify(party.token())) for _ in "12")
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        return (await second).subject

    assert asyncio.run(story()) == "ana"
    assert party.count(JWKS) == 1


def test_nobody_waits_longer_than_the_timeout(party, make):
    with pytest.raises(Unavailable):
        asyncio.run(make(timeout=0).verify(party.token()))


def test_refusals_are_the_same(party, clock, make, gate):
    gate.set()
    verifier = make(timeout=30)

    def refused(token, kind, **how):
        with pytest.raises(kind):
            asyncio.run(verifier.verify(token, **how))

    refused("a.b.c", InvalidToken)
    refused(party.token(key=new_key("second")), InvalidToken)
    refused(party.token(), InsufficientScope, scope="admin")
    clock.advance(5)
    refused(party.token(header={"kid": "other"}), InvalidToken)
    assert asyncio.run(verifier.verify(party.token())).subject == "ana"
