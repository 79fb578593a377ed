"""Tokens that their issuer took back (draft-ietf-oauth-status-list)."""

import zlib

import pytest

from clients.python.tests.party import AUDIENCE, ISSUER, LIST, encode, new_key
from perennial.verify import Unavailable, Verifier

VALID, INVALID = b"\x00", b"\x01"
LONG = {"ttl": 600}
FRESH = {"headers": {"Cache-Control": "max-age=600"}}


def listed(party, index=0, **how):
    return party.token(status=party.reference(index), exp=int(party.clock()) + 9000, **how)


def accepts(verifier, token):
    return verifier.verify(token).subject == "ana"


def test_a_token_that_was_taken_back_is_refused(party, verifier, reason):
    party.publish_list(statuses=b"\x02")
    assert accepts(verifier, listed(party, 0))
    assert reason(listed(party, 1)) == "revoked"
    assert accepts(verifier, listed(party, 2))
    (asked,) = [request for request in party.asked if request.url.endswith(LIST)]
    assert asked.headers["Accept"] == "application/statuslist+jwt"


def test_a_token_without_a_reference_needs_no_list(party, verifier):
    assert accepts(verifier, party.token())
    assert party.count(LIST) == 0


@pytest.mark.parametrize(
    ("bits", "statuses", "values"),
    [
        # The examples of the draft, section 4.1.
        (1, bytes([0xB9, 0xA3]), [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]),
        (2, bytes([0xC9, 0x44, 0xF9]), [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]),
        (4, bytes([0x21, 0x0F]), [1, 2, 15, 0]),
        (8, bytes([0, 1, 128]), [0, 1, 128]),
    ],
)
def test_a_status_has_as_many_bits_as_the_list_says(
    party, verifier, reason, bits, statuses, values
):
    party.publish_list(bits=bits, statuses=statuses)
    for index, value in enumerate(values):
        token = listed(party, index)
        assert accepts(verifier, token) if value == 0 else reason(token) == "revoked"
    assert reason(listed(party, len(values))) == "bad_status_reference"


@pytest.mark.parametrize("index", [-1, 8, 10**30, True, 0.0, "0", None])
def test_an_index_outside_of_the_list_is_refused(party, reason, index):
    party.publish_list(statuses=VALID)
    assert reason(listed(party, index)) == "bad_status_reference"


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/1", "http://id.example.com/1", "https://id.example.com.evil.example/",
     "https://id.example.com@evil.example/", "https://id.example.com:444/1", "/oauth/status/1", "",
     "https://id.example.com:x/", "https://[", "file:///etc/passwd"],
)  # fmt: skip
def test_a_list_from_elsewhere_is_not_fetched(party, reason, uri):
    token = party.token(status={"status_list": {"idx": 0, "uri": uri}})
    assert reason(token) == "bad_status_reference"
    assert [request.url for request in party.asked if request.url == uri] == []


@pytest.mark.parametrize(
    "claim", [1, [], {}, "x", {"status_list": 1}, {"status_list": {}}, {"other": {}}]
)
def test_a_reference_that_is_not_understood_is_refused(party, reason, claim):
    assert reason(party.token(status=claim)) == "bad_status_reference"


# --- what makes a list ----------------------------------------------------------------------------


@pytest.fixture
def no_list(party, verifier):
    """With the list that is published now nothing can be said."""

    def check():
        with pytest.raises(Unavailable) as refusal:
            verifier.verify(listed(party))
        assert refusal.value.what == "status_list"

    return check


@pytest.mark.parametrize(
    "claims",
    [{"sub": ISSUER + "/oauth/status/2"}, {"sub": None}, {"iss": "https://evil.example"},
     {"iat": None}, {"iat": 1_800_000_011}, {"exp": 1_800_000_000}, {"exp": "x"}, {"ttl": 0},
     {"ttl": -1}, {"ttl": "60"}, {"status_list": None}, {"status_list": {"bits": 1}},
     {"status_list": []}],
)  # fmt: skip
def test_a_list_that_says_something_else_is_none(party, no_list, claims):
    party.publish_list(**claims)
    no_list()


@pytest.mark.parametrize("bits", [0, 3, 16, "1", None, True])
def test_a_status_has_one_two_four_or_eight_bits(party, no_list, bits):
    party.publish_list(bits=bits)
    no_list()


@pytest.mark.parametrize(
    "lst", ["", "!", None, encode(b"\x00"), encode(zlib.compress(b"\x00")[:-1]),
            encode(zlib.compress(b"\x00") + b"x")],
)  # fmt: skip
def test_a_list_that_is_not_one_compressed_list_is_none(party, no_list, lst):
    party.publish_list(status_list={"bits": 1, "lst": lst})
    no_list()


def test_a_small_answer_does_not_fill_the_memory(party, no_list):
    party.publish_list(statuses=bytes((16 << 20) + 1))
    no_list()


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", None])
def test_another_token_is_no_list(party, no_list, typ):
    party.publish_list(party.list_token(header={"typ": typ}))
    no_list()


def test_an_access_token_is_no_list_nor_a_list_an_access_token(party, reason):
    assert reason(party.list_token()) == "wrong_type"


@pytest.mark.parametrize("kind", ["application/jwt", "text/html", ""])
def test_an_answer_of_another_type_is_no_list(party, no_list, kind):
    party.publish_list(headers={"Content-Type": kind})
    no_list()


def test_a_list_that_somebody_else_signed_is_none(party, no_list):
    party.key = new_key("second")
    party.publish_list()
    party.key = new_key("first")
    no_list()


def test_a_list_signed_by_a_new_key_is_read(party, clock, verifier):
    assert accepts(verifier, party.token())
    clock.advance(20)
    party.publish("first", "second")
    token = listed(party)
    party.key = new_key("second")
    party.publish_list(party.list_token(header={"kid": "second"}))
    assert accepts(verifier, token)


# --- how long -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "fresh"),
    [
        ({"ttl": 600, "headers": {"Cache-Control": "max-age=20"}}, 20),
        ({"ttl": 20, **FRESH}, 20),
        ({"ttl": 20}, 20),
        ({"ttl": None, **FRESH}, 60),
        ({"ttl": None}, 60),
        ({"exp": 1_800_000_030, **LONG, **FRESH}, 30),
        ({"ttl": 100_000, "headers": {"Cache-Control": "max-age=100000"}}, 3600),
    ],
)
def test_a_list_is_kept_no_longer_than_everybody_allows(party, clock, make, how, fresh):
    verifier = make()
    party.publish_list(**how)
    token = listed(party)
    assert accepts(verifier, token)
    del party.routes[LIST]
    clock.advance(fresh - 0.1)
    assert accepts(verifier, token)
    clock.advance(0.1)
    with pytest.raises(Unavailable):
        verifier.verify(token)


def test_news_arrive_when_the_list_is_fetched_again(party, clock, verifier, reason):
    party.publish_list(statuses=VALID)
    token = listed(party)
    assert accepts(verifier, token)
    party.publish_list(statuses=INVALID)
    clock.advance(47)
    assert accepts(verifier, token)
    clock.advance(13)
    assert reason(token) == "revoked"
    assert party.count(LIST) == 2


def test_an_answer_that_nothing_changed_does_not_keep_a_list_alive(party, clock, verifier):
    party.publish_list(exp=int(clock()) + 30)
    token = listed(party)
    assert accepts(verifier, token)
    party.answer(LIST, b"", status=304)
    clock.advance(30)
    with pytest.raises(Unavailable):
        verifier.verify(token)


def test_only_so_many_lists_are_kept(party, verifier):
    for number in range(70):
        path = f"/oauth/status/{number}"
        party.publish_list(path=path)
        assert accepts(verifier, party.token(status=party.reference(0, ISSUER + path)))
    assert len(verifier._lists._lists) == 64


# --- when there is none ---------------------------------------------------------------------------


def test_without_the_list_a_token_is_not_accepted_unless_that_was_chosen(party, make, reason):
    token = listed(party)
    with pytest.raises(Unavailable):
        make().verify(token)
    assert accepts(make(status_list="best_effort"), token)
    assert accepts(make(status_list="off"), token)
    party.publish_list(statuses=INVALID)
    assert reason(token, make(status_list="best_effort")) == "revoked"
    assert accepts(make(status_list="off"), token)


def test_best_effort_does_not_excuse_a_bad_reference(party, make, reason):
    party.publish_list(statuses=VALID)
    token = listed(party, 8)
    assert reason(token, make(status_list="best_effort")) == "bad_status_reference"


@pytest.mark.parametrize("mode", ["", "require", None, True])
def test_a_mode_that_does_not_exist_is_refused(make, mode):
    with pytest.raises(ValueError, match="status_list"):
        make(status_list=mode)


def test_over_http_a_token_is_accepted_until_it_is_taken_back(listening, clock):
    party = listening.party
    verifier = Verifier(listening.url, AUDIENCE, clock=clock, timer=clock)
    party.publish_list(statuses=VALID)
    token = listed(party)
    assert accepts(verifier, token)
    party.publish_list(statuses=INVALID)
    clock.advance(60)
    with pytest.raises(Exception, match="revoked"):
        verifier.verify(token)
