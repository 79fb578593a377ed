"""A store that is given to a session of another server or client, as a changed setting does."""

import pytest

from clients.python.tests.session.world import ISSUER, Party, answer
from perennial.book import State
from perennial.errors import SignedOut
from perennial.server import Endpoints
from perennial.store import Withheld

ELSEWHERE = "https://id.example.org"
ENDPOINTS = Endpoints(token=f"{ISSUER}/token")


class Elsewhere:
    """Another server, and what it was sent."""

    def __init__(self):
        self.sent = []

    def __call__(self, request):
        self.sent.append(request.body or b"")
        if "well-known" not in request.url:
            return answer({"access_token": "theirs", "token_type": "Bearer", "refresh_token": "t0"})
        return answer(
            {
                "issuer": ELSEWHERE,
                "token_endpoint": f"{ELSEWHERE}/token",
                "revocation_endpoint": f"{ELSEWHERE}/revoke",
            }
        )


@pytest.fixture
def elsewhere():
    return Elsewhere()


@pytest.fixture
def other(party, elsewhere):
    return party.session(issuer=ELSEWHERE, transport=elsewhere)


def test_another_server_is_sent_nothing_and_ends_nothing(party, other, elsewhere):
    session = party.signed_in()
    party.clock.advance(900)
    assert other.restore() is State.SIGNED_OUT
    with pytest.raises(SignedOut):
        other.token()
    other.wake()
    party.settled(other)
    assert elsewhere.sent == []
    assert session.token() == "a1"
    assert party.session().token() == "a1"


def test_nor_is_what_the_first_server_is_still_to_be_told(party, other, elsewhere):
    party.server.away = True
    session = party.session()
    session.adopt({"access_token": "a0", "token_type": "Bearer", "refresh_token": "r0"})
    assert session.logout() is False
    other.sign_in_with_password("alice", "correct horse")
    assert not [body for body in elsewhere.sent if b"r0" in body]


def test_another_client_of_the_same_server_is_another(party):
    party.signed_in()
    party.clock.advance(900)
    with pytest.raises(SignedOut):
        party.session(client_id="other").token()
    assert party.server.refreshes == []


def test_a_sign_in_there_takes_the_store_and_is_seen(party, other):
    session = party.signed_in()
    party.clock.advance(60)
    other.sign_in_with_password("alice", "correct horse")
    assert other.token() == "theirs"
    assert session.restore() is State.SIGNED_OUT
    with pytest.raises(SignedOut) as error:
        session.token()
    assert error.value.initiator == "sibling"
    assert party.told("signed_out")
    assert party.server.revoked == []


def test_who_is_told_endpoints_finds_the_session_of_who_is_told_the_issuer(party):
    party.signed_in()
    assert party.session(issuer=None, endpoints=ENDPOINTS).token() == "a0"


def test_a_refresh_token_that_is_withheld_is_no_way_around(elsewhere):
    class Keyring:
        """Another one than that of the first sign-in."""

        def __init__(self, store):
            self.swap, self.lock, self._store = store.swap, store.lock, store

        def read(self):
            raise Withheld("another keyring", self._store.read())

    party = Party()
    party.server.away = True
    party.session().adopt({"access_token": "a0", "token_type": "Bearer", "refresh_token": "r0"})
    other = party.session(
        issuer=ELSEWHERE, transport=elsewhere, store=Keyring(party.store), on_event=None
    )
    other.sign_in_with_password("alice", "correct horse")
    assert not [body for body in elsewhere.sent if b"r0" in body]


def test_a_document_without_a_name_belongs_to_whoever_reads_it(party):
    """As stores have it that were filled before documents had one."""
    party.signed_in()
    kept = party.store.read()
    assert f'"issuer": "{ISSUER}"' in kept.document
    nameless = kept.document.replace('"issuer"', '"was_issuer"').replace('"client_id"', '"was_id"')
    party.store.swap(kept.version, type(kept)(kept.version + 1, nameless))
    assert party.session().token() == "a0"


def test_what_the_first_server_hears_meanwhile_does_not_undo_it(party, other):
    def hear(request):
        if request.url.endswith("/revoke"):
            other.sign_in_with_password("alice", "correct horse")
        return party.server(request)

    assert party.signed_in(transport=hear).logout() is True
    assert other.token() == "theirs"
    assert party.session(issuer=ELSEWHERE).token() == "theirs"


def test_nor_does_a_person_who_does_not_come_back_to_the_first(party, other):
    def decline(*_):
        other.sign_in_with_password("alice", "correct horse")
        return "declined"

    session = party.signed_in(reauthenticators=[decline])
    party.clock.advance(900)
    party.server.ended = "session_ended"
    with pytest.raises(SignedOut):
        session.token()
    assert party.session(issuer=ELSEWHERE).token() == "theirs"
