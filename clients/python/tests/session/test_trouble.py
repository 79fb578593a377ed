"""Stores that fail, clocks that jump, processes that fork, and the way back for a person."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from clients.python.tests.session.world import SECONDS, START, Party, answer
from perennial.book import State
from perennial.errors import ReauthRequired, SessionError, SignedOut, StorageError
from perennial.record import Record
from perennial.session import Session
from perennial.store import Kept


class Failing:
    """A store whose parts stop working when they are named in `broken`."""

    def __init__(self, store):
        self._store, self.broken = store, set()

    def _try(self, part):
        if part in self.broken:
            raise StorageError(f"cannot {part}")

    def read(self):
        self._try("read")
        return self._store.read()

    def swap(self, expected, new):
        self._try("swap")
        return self._store.swap(expected, new)

    @contextmanager
    def lock(self, timeout):
        self._try("lock")
        with self._store.lock(timeout) as held:
            yield held


@pytest.fixture
def party():
    made = Party()
    made.store = Failing(made.store)
    return made


@pytest.mark.parametrize("part", ["read", "swap", "lock"])
def test_nothing_is_sent_while_the_store_cannot_be_used(party, part):
    session = party.signed_in()
    party.clock.advance(900)
    party.store.broken = {part}
    with pytest.raises(StorageError):
        session.token(timeout=0.05)
    assert party.server.refreshes == []
    party.store.broken = set()
    assert session.token() == "a1"


@pytest.mark.parametrize("part", ["read", "swap", "lock"])
def test_while_the_old_token_is_good_a_broken_store_is_not_felt(party, part):
    session = party.signed_in()
    party.clock.advance(700)
    party.store.broken = {part}
    assert session.token() == "a0"
    party.settled(session)
    assert session.state is State.ACTIVE
    assert party.told("storage_degraded")


def test_a_store_that_is_locked_at_launch_is_not_a_sign_out(party):
    party.signed_in()
    session = party.session()
    party.store.broken = {"read"}
    with pytest.raises(StorageError):
        session.token(timeout=0.05)
    assert session.state is State.RESTORING
    party.store.broken = set()
    assert session.token() == "a0"


def test_tokens_that_could_not_be_stored_are_used_and_stored_later(party):
    session = party.signed_in()
    party.clock.advance(900)

    def full(form):
        party.store.broken = {"swap"}
        return party.server.grant(form)

    party.server.plan.append(full)
    assert session.token() == "a1"
    assert [event.cause for event in party.told("storage_degraded")]
    assert session.token() == "a1"
    party.settled(session)
    party.store.broken = set()
    party.clock.advance(60)
    session.token()
    party.settled(session)
    assert party.session().token() == "a1"
    assert len(party.server.refreshes) == 1


def test_nothing_is_rotated_on_top_of_what_could_not_be_stored(party):
    session = party.signed_in()
    party.clock.advance(900)

    def full(form):
        party.store.broken = {"swap"}
        return party.server.grant(form)

    party.server.plan.append(full)
    session.token()
    party.clock.advance(900)
    with pytest.raises(StorageError):
        session.token(timeout=0.05)
    assert len(party.server.refreshes) == 1
    party.store.broken = set()
    assert session.token() == "a2"


def test_a_sign_in_that_could_not_be_stored_counts(party):
    party.store.broken = {"swap"}
    session = party.signed_in()
    assert session.token() == "a0"
    party.settled(session)
    party.store.broken = set()
    party.clock.advance(60)
    session.token()
    party.settled(session)
    assert party.session().token() == "a0"


def test_a_session_that_ended_stays_so_though_the_store_does_not_know(party):
    session = party.signed_in()
    party.clock.advance(700)
    party.store.broken = {"swap"}
    lease = session.lease()
    party.settled(session)
    party.store.broken = set()

    def over(form):
        party.store.broken = {"swap"}
        return answer({"error": "invalid_grant"}, 400)

    party.server.plan.extend([over, answer({"error": "invalid_grant"}, 400)])
    for _ in range(2):
        with pytest.raises((ReauthRequired, StorageError)):
            session.renew(lease, timeout=0.05)
        assert session.state is State.REAUTH_REQUIRED


def test_a_sign_in_outlives_the_end_of_the_session_before_it(party):
    session = party.signed_in()
    party.clock.advance(900)

    def over(form):
        party.store.broken = {"swap"}
        session.adopt({"access_token": "new", "token_type": "Bearer", "expires_in": 900})
        return answer({"error": "invalid_grant"}, 400)

    party.server.plan.append(over)
    assert session.token() == "new"
    assert session.state is State.ACTIVE


def test_signing_out_with_a_broken_store_signs_out_at_the_server(party):
    session = party.signed_in()
    party.store.broken = {"swap"}
    with pytest.raises(StorageError):
        session.logout()
    assert party.server.revoked == ["r0"]
    with pytest.raises((SignedOut, StorageError)):
        session.token(timeout=0.05)
    assert session.state is State.SIGNED_OUT


def test_a_record_of_a_later_version_of_this_library_is_left_alone(party):
    session = party.signed_in()
    document = party.store.read().document.replace('"format": 1', '"format": 2')
    assert party.store.swap(1, Kept(2, document))
    with pytest.raises(StorageError, match="later version"):
        party.session().token(timeout=0.05)
    assert party.store.read().document == document
    assert session.token() == "a0"


def test_what_a_later_version_added_is_ignored(party):
    party.signed_in()
    document = party.store.read().document.replace("{", '{"colour": "blue", ', 1)
    assert party.store.swap(1, Kept(2, document))
    assert party.session().token() == "a0"


# --- clocks ---------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_does_not_make_a_token_live_longer(party):
    session = party.signed_in()
    party.clock.advance(500)
    party.clock.jump(-3600)
    party.clock.advance(400)
    assert session.token() == "a1"


def test_a_machine_that_slept_without_its_monotonic_clock_refreshes(party):
    session = party.signed_in()
    party.clock.jump(1800)
    assert session.token() == "a1"


def test_a_clock_that_is_set_forward_costs_one_refresh(party):
    session = party.signed_in()
    party.clock.jump(3600)
    assert [session.token() for _ in range(5)] == ["a1"] * 5
    party.clock.jump(-3600)
    assert [session.token() for _ in range(5)] == ["a1"] * 5


def test_a_token_from_the_future_is_fetched_anew_once(party):
    """The clock was set back while the program did not run."""
    party.signed_in()
    party.clock.jump(-3600)
    session = party.session()
    assert [session.token() for _ in range(5)] == ["a1"] * 5


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
def test_the_exp_of_a_token_is_by_the_servers_clock(party, ahead):
    import base64
    import json
    from email.utils import formatdate

    claims = base64.urlsafe_b64encode(json.dumps({"exp": START + ahead + 600}).encode()).decode()
    token = f"x.{claims.rstrip('=')}.y"
    party.server.plan.append(
        answer({"access_token": token, "refresh_token": "r0"}, date=formatdate(START + ahead))
    )
    session = party.signed_in()
    assert round(session.times.access_token_left) == 600


def test_without_any_expiry_a_token_is_used_until_it_is_refused(party):
    party.server.lifetime = None
    session = party.signed_in()
    party.clock.advance(10**6)
    assert session.token() == "a0"
    assert session.renew(session.lease()).access_token == "a1"


def test_the_end_of_the_session_itself_is_announced_once(party):
    party.server.ends_at = START + 1000
    session = party.signed_in()
    party.clock.advance(699)
    session.token()
    party.settled(session)
    assert not party.told("session_expiring")
    party.clock.advance(1)
    session.token()
    session.token()
    (event,) = party.told("session_expiring")
    assert event.seconds_left == 300


# --- forks ----------------------------------------------------------------------------------------


def in_child(work):
    """The text of the error that `work` ends with in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            try:
                work()
            except SessionError as error:
                os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    text = os.read(reading, 1000).decode()
    os.close(reading)
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_refresh_does_not_wait_for_a_thread_it_lacks(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    flight = session._engine.look(SECONDS)
    session._engine._mutex.acquire()
    try:
        error = in_child(lambda: session.token(timeout=0.1))
    finally:
        session._engine._mutex.release()
        party.server.gate.set()
    assert "FileStore" in error, "the child tried by itself"
    assert flight.wait(SECONDS).record.access_token == "a1"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_copy_in_memory_does_not_refresh(party):
    session = party.signed_in()
    party.clock.advance(900)
    assert "FileStore" in in_child(lambda: session.token(timeout=0.1))
    assert session.token() == "a1"


# --- the way back ---------------------------------------------------------------------------------


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


# --- what is not told -----------------------------------------------------------------------------


def test_no_secret_is_in_any_repr(party):
    session = party.signed_in()
    party.clock.advance(900)
    session.token()
    record = session._engine.book.record
    shown = [
        repr(each)
        for each in (
            session,
            session.lease(),
            record,
            record.kept(),
            session._engine.book.held,
            session.server.client,
            *party.events,
        )
    ]
    for secret in (record.access_token, record.refresh_token, "correct horse"):
        assert not [text for text in shown if secret in text]


def test_a_session_is_made_without_touching_anything():
    def nothing(*_):
        raise AssertionError

    store = Failing(None)
    store.broken = {"read", "swap", "lock"}
    session = Session(
        issuer="https://id.example.com", client_id="x", store=store, transport=nothing
    )
    assert session.state is State.RESTORING
    assert session.times is None
    assert "x restoring" in repr(session)


def test_a_record_is_the_same_after_it_was_stored():
    from perennial.record import read

    made = Record(version=3, epoch=1, to_revoke=("a",), lifetime=1.5)
    assert read(made.kept()) == made


def test_no_thread_stays_behind(party):
    session = party.signed_in()
    party.clock.advance(900)
    session.token()
    party.settled(session)
    for thread in threading.enumerate():
        if thread.name == "perennial-session":
            thread.join(SECONDS)
    assert "perennial-session" not in {thread.name for thread in threading.enumerate()}
