"""S256, and no other transform."""

import pytest

from app.core.pkce import challenge, is_challenge, is_verifier, proves

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.clause("rfc7636-4.2-03", "rfc7636-7.3-01")
def test_the_challenge_of_the_specification_is_made_of_its_verifier():
    assert challenge(VERIFIER) == CHALLENGE
    assert proves(VERIFIER, CHALLENGE)
    assert not proves(VERIFIER[:-1] + "X", CHALLENGE)
    assert not proves(CHALLENGE, CHALLENGE), "plain"


@pytest.mark.clause("rfc7636-4.1-02")
@pytest.mark.parametrize(
    "odd",
    ["", "a" * 42, "a" * 129, "a" * 42 + "\u00e9", "a" * 42 + "+", "a" * 42 + "\n", "\u0660" * 43],
)
def test_a_verifier_has_43_to_128_unreserved_characters(odd):
    assert is_verifier("a" * 43)
    assert is_verifier("-._~" * 32)
    assert not is_verifier(odd)
    assert not proves(odd, CHALLENGE)


@pytest.mark.clause("rfc7636-4.3-03")
@pytest.mark.parametrize(
    "odd", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "~", "a" * 43 + "\n"]
)
def test_a_challenge_is_a_sha256_in_base64url(odd):
    assert is_challenge(CHALLENGE)
    assert not is_challenge(odd)
