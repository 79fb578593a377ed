"""Over real sockets: what the standard library's HTTP must not do for us."""

import pytest

from clients.python.tests.party import AUDIENCE, JWKS, METADATA
from perennial import transport as module
from perennial.verify import Request, TransportError, Unavailable, UrllibTransport, Verifier


@pytest.fixture
def fetch(listening):
    def get(path, longest=1000, timeout=5):
        return UrllibTransport()(Request(listening.url + path, timeout, longest))

    return get


def test_a_token_is_verified_with_keys_from_a_server(listening, clock):
    verifier = Verifier(listening.url, AUDIENCE, clock=clock, timer=clock)
    assert verifier.verify(listening.party.token()).subject == "ana"
    assert [path for path, _ in listening.seen] == [METADATA, JWKS]


def test_keys_that_did_not_change_are_fresh_again(listening, clock):
    verifier = Verifier(listening.url, AUDIENCE, clock=clock, timer=clock)
    assert verifier.verify(listening.party.token())
    listening.party.answer(JWKS, b"", {"Cache-Control": "max-age=300"}, status=304)
    clock.advance(300)
    for _ in range(3):
        assert verifier.verify(listening.party.token())
        clock.advance(70)
    asked = [headers.get("If-None-Match") for path, headers in listening.seen if path == JWKS]
    assert asked == [None, '"first"']


def test_a_redirect_is_not_followed(listening, clock):
    listening.party.routes["/elsewhere"] = listening.party.routes[JWKS]
    listening.party.answer(JWKS, b"", {"Location": "/elsewhere"}, status=302)
    verifier = Verifier(listening.url, AUDIENCE, clock=clock, timer=clock)
    with pytest.raises(Unavailable):
        verifier.verify(listening.party.token())
    assert [path for path, _ in listening.seen] == [METADATA, JWKS]


def test_status_and_headers_of_a_refusal_arrive(listening, fetch):
    listening.party.answer("/x", b"no", {"ETag": '"1"'}, status=404)
    answer = fetch("/x")
    assert (answer.status, answer.headers["etag"], answer.body) == (404, '"1"', b"no")


def test_an_answer_that_is_too_long_is_not_read(listening, fetch):
    listening.party.answer("/x", b"x" * 1000)
    assert len(fetch("/x").body) == 1000
    listening.party.answer("/x", b"x" * 1001)
    with pytest.raises(TransportError, match="too long"):
        fetch("/x")


def test_an_answer_that_was_cut_off_is_none(listening, fetch):
    listening.party.answer("/x", b"x" * 9, {"Content-Length": "10", "Connection": "close"})
    with pytest.raises(TransportError, match="cut off"):
        fetch("/x")


def test_a_server_that_drips_does_not_outlast_the_deadline(listening, fetch, monkeypatch):
    listening.party.answer("/x", b"x" * 10)
    ticks = iter([0.0, 5.1])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(ticks, 5.1))
    with pytest.raises(TransportError, match="too slow"):
        fetch("/x")


def test_headers_that_drip_do_not_outlast_the_deadline(listening, fetch, monkeypatch):
    """The thread that waits for them would be there for hours, and no other would fetch."""
    listening.party.answer("/x", b"x", {f"X-{number}": "x" for number in range(50)})
    ticks = iter([0.0, 0.0, 5.1])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(ticks, 5.1))
    with pytest.raises(TransportError, match="too slow"):
        fetch("/x")


def test_a_server_that_is_not_there_has_not_been_reached(listening):
    url = listening.url
    listening.close()
    with pytest.raises(TransportError) as failure:
        UrllibTransport()(Request(url, 5, 1000))
    assert not failure.value.reached


def test_a_server_that_hangs_up_may_have_been_reached(listening, fetch):
    def hang_up(_):
        raise ConnectionAbortedError

    listening.before = hang_up
    with pytest.raises(TransportError) as failure:
        fetch("/x")
    assert failure.value.reached
