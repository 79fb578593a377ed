"""Which tokens are accepted (RFC 9068 §4), and that no other comes to more than a typed error."""

import hmac
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from clients.python.tests.party import AUDIENCE, ISSUER, STARTED, encode, new_key, sign
from perennial.verify import AccessToken, InsufficientScope, InvalidToken, Unavailable, VerifyError


def test_a_good_token_says_who_may_do_what(party, verifier):
    token = verifier.verify(party.token())
    assert (token.subject, token.client_id, token.session_id) == ("ana", "notes", "s1")
    assert token.scopes == {"read", "write"}
    assert token.expires_at == STARTED + 900
    assert token.claims["jti"] == "1"
    with pytest.raises(TypeError):
        token.claims["sub"] = "eve"
    with pytest.raises(AttributeError):
        token.subject = "eve"


def test_a_token_of_a_client_itself_has_no_session(party, verifier):
    token = verifier.verify(party.token(sub="notes", sid=None, scope=None))
    assert (token.session_id, token.scopes) == (None, frozenset())


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT"])
def test_both_spellings_of_the_type_are_accepted(party, verifier, typ):
    assert verifier.verify(party.token(header={"typ": typ})).subject == "ana"


@pytest.mark.parametrize(
    "typ", [None, "JWT", "jwt", "id_token", "statuslist+jwt", "text/at+jwt", 1]
)
def test_a_token_of_another_type_is_refused(party, reason, typ):
    assert reason(party.token(header={"typ": typ})) == "wrong_type"


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_the_public_key_is_no_shared_secret(party, reason, alg):
    header = encode({"alg": alg, "typ": "at+jwt", "kid": "first"})
    message = f"{header}.{encode(party.claims())}"
    mac = hmac.digest(party.key.as_pem(private=False), message.encode(), "sha256")
    refused_as = {"HS256": "wrong_algorithm", "RS256": "bad_signature"}
    assert reason(f"{message}.{encode(mac)}") == refused_as[alg]


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 1, ["RS256"], {"RS256": 1}])
def test_an_unsigned_token_is_refused(party, reason, alg):
    header = encode({"alg": alg, "typ": "at+jwt", "kid": "first"})
    for signature in ("", encode(b"x" * 256)):
        token = f"{header}.{encode(party.claims())}.{signature}"
        assert reason(token) == "wrong_algorithm"


def test_an_algorithm_that_was_not_allowed_is_refused(party, make, reason):
    for_any = {**party.key.as_dict(private=False), "kid": "any", "alg": None}
    party.publish("first", also=[{name: for_any[name] for name in ("kty", "kid", "n", "e")}])
    token = party.token(header={"alg": "PS256", "kid": "any"})
    assert make(algorithms=["PS256"]).verify(token).subject == "ana"
    assert reason(token) == "wrong_algorithm"


def test_a_key_is_used_with_its_own_algorithm_only(party, make, reason):
    both = make(algorithms=("RS256", "PS256", "ES256"))
    assert both.verify(party.token()).subject == "ana"
    for alg in ("PS256", "ES256"):
        data = json.dumps(party.claims()).encode()
        key = party.key if alg == "PS256" else ECKey.generate_key("P-256")
        assert reason(sign({"alg": alg, "typ": "at+jwt", "kid": "first"}, data, key), both) == (
            "wrong_algorithm"
        )


def test_an_elliptic_key_verifies(party, make):
    key = ECKey.generate_key("P-256", {"kid": "curve"})
    party.publish("first", also=[key.as_dict(private=False)])
    token = party.token(header={"alg": "ES256", "kid": "curve"}, key=key)
    assert make(algorithms=["ES256"]).verify(token).subject == "ana"


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("RS256", "HS512"), "HS256"])
def test_a_verifier_for_weak_algorithms_cannot_be_made(make, algorithms):
    with pytest.raises(ValueError, match="algorithms"):
        make(algorithms=algorithms)


def test_a_tampered_token_is_refused(party, reason):
    head, _, signature = party.token().split(".")
    other = encode(party.claims(sub="eve"))
    assert reason(f"{head}.{other}.{signature}") == "bad_signature"
    assert reason(party.token(key=new_key("second"))) == "bad_signature"


def test_a_tampered_signature_is_refused(party, reason):
    token = party.token()
    changed = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
    assert reason(changed) == "bad_signature"


@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_required_claim_may_not_be_missing(party, reason, name, value):
    assert reason(party.token(**{name: value})) == "missing_claim"


@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
@pytest.mark.parametrize("value", [True, [1], {"a": 1}, [[]]])
def test_a_claim_of_the_wrong_kind_is_refused(party, reason, name, value):
    assert reason(party.token(**{name: value})) == "malformed"


@pytest.mark.parametrize("other", [ISSUER + "/", ISSUER.upper(), "https://id.example.org"])
def test_another_issuer_is_refused(party, reason, other):
    assert reason(party.token(iss=other)) == "wrong_issuer"


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["https://other.example", AUDIENCE]])
def test_the_audience_is_one_or_one_of_several(party, verifier, aud):
    assert verifier.verify(party.token(aud=aud)).subject == "ana"


@pytest.mark.parametrize("aud", [ISSUER, [], [AUDIENCE + "/"], AUDIENCE + " x", AUDIENCE[:-1]])
def test_a_token_for_somebody_else_is_refused(party, reason, aud):
    assert reason(party.token(aud=aud)) == "wrong_audience"


def test_a_resource_server_may_have_two_names(party, make):
    verifier = make(audience=["https://old.example", AUDIENCE])
    assert verifier.verify(party.token(aud="https://old.example")).subject == "ana"


def test_a_token_ends_on_the_second_leeway_or_not(party, clock, verifier, reason):
    token = party.token()
    clock.advance(899.9)
    assert verifier.verify(token).subject == "ana"
    clock.advance(0.1)
    assert reason(token) == "expired"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused_beyond_the_leeway(party, verifier, reason, name):
    assert verifier.verify(party.token(**{name: STARTED + 10})).subject == "ana"
    assert reason(party.token(**{name: STARTED + 11})) == "not_yet_valid"


@pytest.mark.parametrize("date", [math.inf, -math.inf, math.nan, "1800000900", 10**400])
def test_a_date_is_a_finite_number(party, reason, date):
    for name in ("exp", "iat", "nbf"):
        assert reason(party.token(**{name: date})) == "malformed"


def test_a_token_bound_to_a_key_is_no_bearer_token(party, reason):
    assert reason(party.token(cnf={"jkt": "x"})) == "sender_constrained"


def test_a_scope_that_was_not_granted_is_not_enough(party, verifier):
    assert verifier.verify(party.token(), scope="write read").subject == "ana"
    with pytest.raises(InsufficientScope) as refusal:
        verifier.verify(party.token(), scope="read delete")
    assert refusal.value.required == {"read", "delete"}
    for near in ("readwrite", "rea", "read,write", "READ"):
        with pytest.raises(InsufficientScope):
            verifier.verify(party.token(scope=near), scope="read")


def test_a_critical_extension_is_not_understood(party, reason):
    assert reason(party.token(header={"crit": ["exp"], "exp": 1})) == "malformed"
    assert reason(party.token(header={"crit": ["b64"], "b64": False})) == "malformed"


def test_keys_that_a_token_brings_along_are_not_looked_at(party, reason):
    own = RSAKey.generate_key(2048, {"kid": "own"})
    header = {"jwk": own.as_dict(private=False), "jku": "https://evil.example/", "kid": "own"}
    assert reason(party.token(header=header, key=own)) == "unknown_key"
    assert reason(party.token(header={**header, "kid": None}, key=own)) == "malformed"
    assert all(request.url.startswith(ISSUER) for request in party.asked)


def test_a_member_that_occurs_twice_is_refused(party, reason):
    doubled = json.dumps(party.claims(sub="ana"))[:-1] + ', "sub": "eve"}'
    assert reason(party.token(payload=doubled.encode())) == "malformed"


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"1", b"\xff", b"{", b"[" * 9000, b'{"a":NaN}', b'"x"']
)
def test_claims_that_are_no_object_are_refused(party, reason, payload):
    assert reason(party.token(payload=payload)) == "malformed"


def test_a_token_of_more_than_16_kib_is_refused_unread(party, make, reason):
    assert reason(party.token(note="x" * 12_000)) == "malformed"
    fresh = make()
    asked = len(party.asked)
    assert reason("x" * 16_385, fresh) == "malformed"
    assert len(party.asked) == asked


@pytest.mark.parametrize(
    "garbage",
    [
        "", ".", "..", "...", "a.b.c", "a" * 16_384, "é.é.é", "\x00", None, 1, b"a.b.c", [], {},
        "e30.e30.e30", "e30=.e30.", " e30.e30.e30", "bnVsbA.e30.e30", "\ud800.e30.e30",
        "e30.e30.e30.e30.e30",
    ],
)  # fmt: skip
def test_garbage_is_malformed(reason, garbage):
    assert reason(garbage) in {"malformed", "wrong_type"}


def test_foreign_characters_and_loose_bits_are_no_second_spelling(party, reason):
    head, body, signature = party.token().split(".")
    for spoiled in (
        f"{head}.{body}.{signature}==",
        f"{head}.{body}\n.{signature}",
        f"{head}.{body}.{signature[:9]}*{signature[9:]}",
    ):
        assert reason(spoiled) == "malformed"
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = last[last.index(signature[-1]) + 1]
    assert reason(f"{head}.{body}.{signature[:-1]}{loose}") == "malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
CLAIMS = st.sampled_from([
    "iss", "exp", "aud", "sub", "client_id", "iat", "nbf", "jti", "scope", "sid", "status", "cnf",
])  # fmt: skip
SEALED = settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@SEALED
@given(
    claims=st.dictionaries(CLAIMS, JSON),
    header=st.dictionaries(st.sampled_from(["typ", "kid", "crit", "b64", "zip"]), JSON),
)
def test_whatever_was_signed_gives_a_token_or_a_typed_error(party, verifier, claims, header):
    token = party.token(header=header, payload=json.dumps({**party.claims(), **claims}).encode())
    assert outcome(verifier, token) in {AccessToken, InvalidToken, Unavailable}


def outcome(verifier, token):
    try:
        return type(verifier.verify(token))
    except VerifyError as refusal:
        return type(refusal)


@SEALED
@given(
    text=st.text() | st.lists(JSON.map(encode) | st.text(), min_size=3, max_size=3).map(".".join)
)
def test_whatever_was_sent_gives_a_typed_error_without_its_text(verifier, text):
    with pytest.raises(InvalidToken) as refusal:
        verifier.verify(text)
    assert refusal.value.__cause__ is None
    assert str(refusal.value) == refusal.value.reason.value
