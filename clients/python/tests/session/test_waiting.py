"""Many at once: one refresh, whoever waits for it, and whoever stops waiting."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from clients.python.tests.session.world import SECONDS, Party, answer, until
from perennial.book import State
from perennial.errors import (
    OfflineError,
    ReauthRequired,
    RefreshLoopError,
    ServerBusyError,
    SessionError,
)
from perennial.messages import TransportError

CROWD = 50


def test_fifty_threads_and_fifty_tasks_share_one_refresh(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()

    async def tasks():
        return await asyncio.gather(*(session.atoken() for _ in range(CROWD)))

    with ThreadPoolExecutor(CROWD + 1) as crowd:
        threads = [crowd.submit(session.token) for _ in range(CROWD)]
        loop = crowd.submit(asyncio.run, tasks())
        party.server.gate.set()
        assert {each.result(SECONDS) for each in threads} == {"a1"}
        assert loop.result(SECONDS) == ["a1"] * CROWD
    assert len(party.server.refreshes) == 1


def test_a_loop_for_each_call_is_as_good_as_one(party):
    session = party.signed_in()
    with ThreadPoolExecutor(CROWD) as crowd:
        for number in range(1, 4):
            party.clock.advance(900)
            calls = [crowd.submit(lambda: asyncio.run(session.atoken())) for _ in range(CROWD)]
            assert {each.result(SECONDS) for each in calls} == {f"a{number}"}
    assert len(party.server.refreshes) == 3


def test_late_refusals_of_an_old_token_do_not_refresh_again(party):
    session = party.signed_in()
    old = session.lease()
    new = session.renew(old)
    assert [session.renew(old) for _ in range(100)] == [new] * 100
    assert len(party.server.refreshes) == 1


def test_a_hundred_refusals_of_one_token_are_one_refresh(party):
    session = party.signed_in()
    old = session.lease()
    party.server.gate.clear()
    with ThreadPoolExecutor(CROWD) as crowd:
        renewed = [crowd.submit(session.renew, old) for _ in range(100)]
        until(lambda: session._engine._flight and session._engine._flight.waiters == CROWD)
        party.server.gate.set()
        assert {each.result(SECONDS).access_token for each in renewed} == {"a1"}
    assert len(party.server.refreshes) == 1


def test_a_refused_token_is_not_given_again_though_no_other_is_to_be_had(party):
    session = party.signed_in()
    lease = session.lease()
    party.server.away = True
    with pytest.raises(OfflineError):
        session.renew(lease, timeout=0.05)
    party.server.away = False
    assert session.renew(lease).access_token == "a1"


def test_who_comes_with_a_refused_token_never_gets_that_one_back(party):
    """The flight has just settled that the old token will do, and has not yet told anybody."""
    session = party.signed_in()
    party.clock.advance(700)
    party.server.plan.append(TransportError("no route", reached=False))
    boarded = []

    def refused(_):
        if not boarded:
            boarded.append(None)
            boarded[0] = crowd.submit(session._engine.look, 1, session._engine.book.record)
            boarded[0].result(SECONDS)

    with ThreadPoolExecutor(1) as crowd:
        session.on("refresh_retry", refused)
        assert session.token() == "a0"
        until(lambda: boarded and boarded[0] is not None)
        with pytest.raises(OfflineError):
            boarded[0].result(SECONDS).wait(SECONDS)


def test_tokens_that_are_refused_as_soon_as_they_come_are_not_fetched_for_ever(party):
    session = party.signed_in()
    lease = session.lease()
    for _ in range(5):
        lease = session.renew(lease)
    with pytest.raises(RefreshLoopError):
        session.renew(lease)
    assert session.token() == "a5", "it is still the one to use"
    assert len(party.told("refresh_loop")) == 1
    party.clock.advance(30)
    assert session.renew(lease).access_token == "a6"


def test_short_lived_tokens_are_no_loop():
    party = Party(lifetime=1)
    session = party.signed_in()
    for number in range(1, 40):
        party.clock.advance(1)
        assert session.token() == f"a{number}"


def test_who_gives_up_does_not_end_the_refresh(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    with pytest.raises(OfflineError):
        session.token(timeout=0.01)
    party.server.gate.set()
    party.settled(session)
    assert session.token() == "a1"
    assert len(party.server.refreshes) == 1


@pytest.mark.parametrize("cancelled", [1, 3])
def test_cancelled_tasks_do_not_end_the_refresh(party, cancelled):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()

    async def some_give_up():
        tasks = [asyncio.create_task(session.atoken()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks[:cancelled]:
            task.cancel()
        party.server.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(some_give_up())
    assert [each for each in results if isinstance(each, str)] == ["a1"] * (3 - cancelled)
    party.settled(session)
    assert session.token() == "a1"
    assert len(party.server.refreshes) == 1


def test_a_loop_that_is_closed_meanwhile_does_no_harm(party, caplog):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()

    async def impatient():
        with pytest.raises(OfflineError):
            await session.atoken(timeout=0.01)

    asyncio.run(impatient())
    party.server.gate.set()
    party.settled(session)
    assert session.token() == "a1"
    assert not caplog.records


def test_those_who_wait_while_the_network_is_away_get_their_token_when_it_is_back(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.extend([TransportError("no route", reached=False)] * 4)
    with ThreadPoolExecutor(3) as crowd:
        waiting = [crowd.submit(session.token) for _ in range(3)]
        for number in range(1, 5):
            party.clock.wait_for_pause(number)
            session.wake()
        assert {each.result(SECONDS) for each in waiting} == {"a1"}
    assert len(party.server.forms) == 6
    assert len(party.told("refresh_retry")) == 4


def test_waking_fetches_what_is_due_and_nothing_else(party):
    session = party.signed_in()
    for seconds, generation in ((599, 0), (1, 1), (0, 1), (900, 2)):
        party.clock.advance(seconds)
        session.wake()
        party.settled(session)
        assert len(party.server.refreshes) == generation
    assert session.token() == "a2"


def test_waking_finds_a_session_that_nobody_asked_for_yet(party):
    party.signed_in()
    session = party.session()
    session.wake()
    party.settled(session)
    assert session.state is State.ACTIVE
    assert party.server.refreshes == []


def test_waking_does_not_hurry_a_server_that_asked_to_wait(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.append(answer({}, 429, **{"retry-after": "60"}))
    with pytest.raises(ServerBusyError):
        session.token(timeout=1)
    session.wake()
    party.settled(session)
    assert len(party.server.refreshes) == 1
    party.clock.advance(60)
    session.wake()
    party.settled(session)
    assert len(party.server.refreshes) == 2


def test_waking_asks_nobody_to_sign_in_again():
    asked = []
    party = Party()
    session = party.signed_in(reauthenticators=[lambda *_: asked.append(1) or "declined"])
    party.clock.advance(900)
    party.server.ended = "session_idle"
    session.wake()
    party.settled(session)
    assert session.state is State.REAUTH_REQUIRED
    assert asked == []


def test_nobody_tries_on_when_nobody_waits_any_more(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.extend([TransportError("no route", reached=False)] * 100)
    with pytest.raises(OfflineError):
        session.token(timeout=0.01)
    party.settled(session)
    tried = len(party.server.refreshes)
    party.clock.advance(3600)
    assert len(party.server.refreshes) == tried < 10


def test_a_refresh_without_anybody_who_waits_does_not_linger(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.plan.append(TransportError("no route", reached=False))
    party.server.gate.clear()
    session._engine.leave(session._engine.look(0))
    party.server.gate.set()
    party.settled(session)
    assert party.clock.pauses == []


@pytest.mark.parametrize(
    "name",
    [
        "signed_in",
        "refreshed",
        "restored",
        "offline",
        "refresh_retry",
        "reauth_required",
        "signed_out",
        "online",
    ],
)
def test_a_listener_may_call_anything(name):
    party = Party()
    calls = []

    def meddle(_):
        for call in (
            lambda: session.token(timeout=0.01),
            session.wake,
            lambda: session.times,
            lambda: session.lease(timeout=0.01),
            lambda: session.state,
        ):
            with suppress(SessionError):
                calls.append(call())

    session = party.session()
    session.on(name, meddle)
    done = threading.Event()

    def life():
        session.sign_in_with_password("alice", "correct horse")
        party.clock.advance(900)
        party.server.plan.extend([TransportError("away")] * 3)
        with suppress(OfflineError):
            session.token(timeout=0.05)
        party.server.plan.clear()
        session.token()
        party.settled(session)
        restored = party.session()
        restored.on(name, meddle)
        restored.token()
        party.server.ended = "session_ended"
        party.clock.advance(900)
        with suppress(ReauthRequired):
            session.token()
        session.logout()
        done.set()

    threading.Thread(target=life, daemon=True).start()
    assert done.wait(SECONDS), "a listener that calls back is no deadlock"
    until(lambda: calls)
