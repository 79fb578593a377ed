"""What is not told, not touched and not left behind."""

import threading

from clients.python.tests.session.world import SECONDS, Failing
from perennial.book import State
from perennial.flow import Overtaken, Send, Unstored
from perennial.record import Record
from perennial.session import Session


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
            record.kept({}),
            session._engine.book.held,
            session.server.client,
            Overtaken(record, record.refresh_token),
            Unstored(record, record),
            Send(record),
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
    assert read(made.kept({}), {}) == made


def test_no_thread_stays_behind(party):
    session = party.signed_in()
    party.clock.advance(900)
    session.token()
    party.settled(session)
    for thread in threading.enumerate():
        if thread.name == "perennial-session":
            thread.join(SECONDS)
    assert "perennial-session" not in {thread.name for thread in threading.enumerate()}
