"""Where the keys come from, how long they are used, and how often the issuer is asked."""

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import RSAKey

from clients.python.tests.party import AUDIENCE, ISSUER, JWKS, METADATA, Later, new_key
from perennial.verify import InvalidToken, Unavailable, Verifier

HOUR = 3600


def good(verifier, party):
    return verifier.verify(party.token()).subject == "ana"


# --- where ----------------------------------------------------------------------------------------


def test_the_keys_are_where_the_metadata_says(party, verifier):
    assert good(verifier, party)
    assert [request.url for request in party.asked] == [ISSUER + METADATA, ISSUER + JWKS]


def test_the_metadata_of_an_issuer_with_a_path_are_before_the_path(party, make):
    with pytest.raises(Unavailable):
        make(issuer=f"{ISSUER}/eu").verify(party.token())
    assert party.asked[0].url == f"{ISSUER}{METADATA}/eu"


def test_the_place_of_the_keys_may_be_given(party, make):
    assert good(make(jwks_uri=ISSUER + JWKS), party)
    assert party.count(METADATA) == 0


@pytest.mark.parametrize("issuer", [ISSUER + "/", "https://evil.example", None])
def test_metadata_of_another_issuer_are_not_believed(party, verifier, issuer):
    party.announce(issuer=issuer)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())
    assert party.count(JWKS) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/keys", "ftp://id.example.com/", "file:///etc/passwd", "", None,
        "http://127.0.0.1.example.com/", "https://", "http://localhost.example.com",
        "https://id.example.com@evil.example/", "http://10.0.0.1/", "https://id.example.com:x/",
    ],
)  # fmt: skip
def test_keys_from_where_others_could_change_them_are_not_fetched(party, verifier, url):
    party.announce(jwks_uri=url)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())
    assert len(party.asked) == 1


@pytest.mark.parametrize("url", ["http://id.example.com", "id.example.com", "", "file:///x"])
def test_a_verifier_of_an_insecure_issuer_cannot_be_made(make, url):
    for wrong in ({"issuer": url}, {"jwks_uri": url}):
        with pytest.raises(ValueError, match="https"):
            make(**wrong)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost"])
def test_loopback_needs_no_tls(url):
    assert Verifier(url, AUDIENCE)


@pytest.mark.parametrize("audience", ["", [], ["a", ""]])
def test_a_verifier_without_an_audience_cannot_be_made(make, audience):
    with pytest.raises(ValueError, match="audience"):
        make(audience=audience)


def test_the_log_says_why_there_are_no_keys(party, verifier, caplog):
    party.announce(issuer=ISSUER + "/")
    with pytest.raises(Unavailable):
        verifier.verify(party.token())
    assert caplog.messages[0] == (
        "metadata of the issuer could not be fetched: ValueError: another issuer's metadata"
    )


# --- which ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "RSA-OAEP"}, {"kty": "EC"},
               {"n": "AQAB"}, {"e": None}, {"alg": 1}, {"alg": []}, {"key_ops": 1}, {"kid": 1}],
)  # fmt: skip
def test_a_key_for_something_else_is_passed_over(party, reason, change):
    spoiled = {**new_key("second").as_dict(private=False), **change}
    party.publish("first", also=[spoiled, None, 1, {}, {"kty": "oct", "kid": "o", "k": "eHg"}])
    assert reason(party.token(header={"kid": "second"}, key=new_key("second"))) == "unknown_key"


@pytest.mark.filterwarnings("ignore:Key size")  # of the party that makes it
def test_a_key_that_can_be_broken_is_passed_over(party, reason):
    weak = RSAKey.import_key(generate_private_key(65537, 1024), {"kid": "weak"})
    party.publish("first", also=[weak.as_dict(private=False)])
    assert reason(party.token(header={"kid": "weak"}, key=weak)) == "unknown_key"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": null}'])
def test_a_broken_key_set_is_none(party, verifier, body):
    party.answer(JWKS, body)
    with pytest.raises(Unavailable) as refusal:
        verifier.verify(party.token())
    assert refusal.value.what == "keys"


# --- how long -------------------------------------------------------------------------------------


def test_keys_are_kept_as_long_as_the_issuer_allows(party, clock, verifier):
    for _ in range(5):
        assert good(verifier, party)
        clock.advance(47)
    assert party.count(JWKS) == 1
    clock.advance(70)
    assert good(verifier, party)
    assert party.count(JWKS) == 2


@pytest.mark.parametrize(
    ("said", "fresh"),
    [
        ("max-age=100", 100), ("public, max-age=100, immutable", 100), ('MAX-AGE="100"', 100),
        ("s-maxage=5", 300), ("", 300), ("max-age=x", 300), ("max-age=-5", 300),
        ("max-age=0", 10), ("no-store", 10), ("max-age=100, no-cache", 10),
        ("max-age=99999999", 86_400), ("max-age=" + "9" * 9, 86_400),
    ],
)  # fmt: skip
def test_what_the_issuer_allows_is_bounded(party, clock, make, said, fresh):
    later = Later()
    verifier = make(jwks_uri=ISSUER + JWKS, stale_keys=0, spawn=later)
    party.publish("first")
    status, headers, body = party.routes[JWKS]
    party.routes[JWKS] = (status, {**headers, "Cache-Control": said}, body)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())
    later.run()
    clock.advance(fresh - 0.1)
    assert good(verifier, party)
    clock.advance(0.1)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())


@pytest.mark.parametrize(
    ("age", "fresh"),
    [("250", 50), (" 250 ", 50), ("0", 300), ("400", 10), ("-1", 300), ("x", 300), ("1e2", 300)],
)
def test_what_a_cache_on_the_way_has_kept_is_fresh_for_the_rest(party, clock, make, age, fresh):
    """Or the two together keep a key that was withdrawn for twice as long as the issuer said."""
    verifier = make(jwks_uri=ISSUER + JWKS, stale_keys=0)
    party.publish("first")
    party.routes[JWKS][1]["Age"] = age
    assert good(verifier, party)
    party.go_away()
    clock.advance(fresh - 0.1)
    assert good(verifier, party)
    clock.advance(0.1)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())


def test_a_key_that_was_withdrawn_is_refused_when_the_copy_is_old(party, clock, verifier, reason):
    token = party.token(exp=int(clock()) + HOUR)
    assert verifier.verify(token)
    party.publish("second")
    clock.advance(239)
    assert verifier.verify(token)
    clock.advance(61)
    assert reason(token) == "unknown_key"


def test_keys_are_fetched_again_before_they_are_old_and_nobody_waits(party, clock, make):
    later = Later()
    verifier = make(jwks_uri=ISSUER + JWKS, spawn=later)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())
    later.run()
    assert good(verifier, party)
    clock.advance(241)
    for _ in range(3):
        assert good(verifier, party), "the copy at hand is used meanwhile"
    assert (len(later.waiting), party.count(JWKS)) == (1, 1), "one flight, for all of them"
    later.run()
    clock.advance(299 - 241 + 100)
    assert good(verifier, party)
    assert not later.waiting, "fetched at 241, so fresh until 541"


def test_an_unchanged_set_is_not_sent_again(party, clock, verifier):
    for _ in range(3):
        assert good(verifier, party)
        clock.advance(301)
    asked = [request for request in party.asked if request.url.endswith(JWKS)]
    assert [request.headers.get("If-None-Match") for request in asked] == [None] + ['"first"'] * 2
    party.publish("first", "second")
    assert verifier.verify(party.token(header={"kid": "second"}, key=new_key("second")))


# --- without the issuer ---------------------------------------------------------------------------


def test_without_keys_nothing_can_be_said(party, verifier):
    party.go_away()
    with pytest.raises(Unavailable):
        verifier.verify(party.token())


def test_old_keys_are_used_while_the_issuer_is_away_for_an_hour_at_most(party, clock, verifier):
    assert good(verifier, party)
    party.go_away()
    clock.advance(300 + HOUR - 1)
    assert good(verifier, party)
    clock.advance(1)
    with pytest.raises(Unavailable):
        verifier.verify(party.token())
    party.publish("first")
    party.announce()
    clock.advance(30)
    assert good(verifier, party)


@pytest.mark.parametrize("status", [204, 206, 301, 302, 304, 401, 404, 429, 500, 503])
def test_an_answer_that_is_not_200_changes_nothing(party, clock, verifier, status):
    assert good(verifier, party)
    party.answer(JWKS, {"keys": []}, status=status)
    clock.advance(300)
    assert good(verifier, party)


def test_an_issuer_that_is_away_is_asked_less_and_less_often(party, clock, make):
    verifier = make(jwks_uri=ISSUER + JWKS)
    party.go_away()
    asked = []
    for second in range(120):
        with pytest.raises(Unavailable):
            verifier.verify(party.token())
        if len(party.asked) > len(asked):
            asked.append(second)
        clock.advance(1)
    assert asked == [0, 1, 3, 7, 15, 31, 61, 91]


# --- unknown keys ---------------------------------------------------------------------------------


def test_a_key_that_is_new_is_fetched(party, clock, verifier):
    assert good(verifier, party)
    clock.advance(2)
    party.publish("first", "second")
    assert verifier.verify(party.token(header={"kid": "second"}, key=new_key("second")))
    assert party.count(JWKS) == 2


def test_unknown_keys_make_the_issuer_be_asked_once_in_ten_seconds(party, clock, verifier, reason):
    assert good(verifier, party)
    for number in range(100):
        clock.advance(1)
        for name in ("a", "b"):
            assert reason(party.token(header={"kid": f"{name}{number}"})) == "unknown_key"
    assert party.count(JWKS) == 11
    assert good(verifier, party)


def test_an_unknown_key_right_after_a_fetch_asks_nobody(party, reason):
    assert reason(party.token(header={"kid": "x"})) == "unknown_key"
    assert party.count(JWKS) == 1


def test_unknown_keys_do_not_break_the_pause_of_an_issuer_that_is_away(party, clock, verifier):
    assert good(verifier, party)
    party.go_away()
    clock.advance(300)
    for _ in range(50):
        assert good(verifier, party)
        with pytest.raises(InvalidToken):
            verifier.verify(party.token(header={"kid": "x"}))
    assert party.count(JWKS) + party.count(METADATA) == 3
