"""Four algorithms: what each signs, two other libraries verify, and no other algorithm accepts."""

import json

import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import import_key

from app.core.keyring import Algorithm
from app.services import signer
from app.services.algorithms import new_private_key, public_jwk, signing
from app.services.signer import Signer
from tests.protocol.expect import base64url

MEMBERS = {
    Algorithm.RS256: {"kty", "n", "e"},
    Algorithm.PS256: {"kty", "n", "e"},
    Algorithm.ES256: {"kty", "crv", "x", "y"},
    Algorithm.EDDSA: {"kty", "crv", "x"},
}
PRIVATE = {alg: new_private_key(alg) for alg in Algorithm}
JWKS = {alg: public_jwk(PRIVATE[alg], alg) for alg in Algorithm}
CLAIMS = {"iss": "https://id.example.com", "sub": "ü"}


def token(alg) -> str:
    return Signer(JWKS[alg]["kid"], alg, signing(alg, PRIVATE[alg])).sign(CLAIMS)


@pytest.mark.parametrize("alg", Algorithm)
@pytest.mark.clause("rfc7518-3.4-01", "rfc7518-6.2.1-01")
def test_what_is_signed_two_libraries_verify(alg):
    text = token(alg)
    assert signer.verify(text, {JWKS[alg]["kid"]: JWKS[alg]}) == CLAIMS
    assert jwt.decode(text, jwt.PyJWK(JWKS[alg]), algorithms=[alg.value]) == CLAIMS
    key = import_key(dict(JWKS[alg]))
    assert joserfc_jwt.decode(text, key, algorithms=[alg.value]).claims == CLAIMS


@pytest.mark.parametrize("alg", Algorithm)
def test_only_public_members_are_published_and_the_kid_is_the_thumbprint(alg):
    jwk = JWKS[alg]
    assert set(jwk) == MEMBERS[alg] | {"use", "alg", "kid"}
    assert (jwk["alg"], jwk["use"]) == (alg.value, "sig")
    assert jwk["kid"] == import_key(dict(jwk)).thumbprint()


@pytest.mark.parametrize("alg", Algorithm)
@pytest.mark.parametrize("said", Algorithm)
@pytest.mark.clause("rfc8725-3.1-01", "rfc8725-3.1-03")
def test_a_key_verifies_for_the_algorithm_it_was_made_for_and_no_other(alg, said):
    """Also when the signature would fit: RS256 and PS256 share a kind of key."""
    if alg is said:
        return
    head = base64url(
        json.dumps({"alg": said.value, "typ": "at+jwt", "kid": JWKS[alg]["kid"]}).encode()
    )
    message = f"{head}.{base64url(json.dumps(CLAIMS).encode())}"
    using = said if {alg, said} == {Algorithm.RS256, Algorithm.PS256} else alg
    signature = base64url(signing(using, PRIVATE[alg])(message.encode()))
    assert signer.verify(f"{message}.{signature}", {JWKS[alg]["kid"]: JWKS[alg]}) is None


def test_a_token_of_another_kind_says_so_and_is_no_access_token():
    one = Signer("kid", Algorithm.ES256, signing(Algorithm.ES256, PRIVATE[Algorithm.ES256]))
    text = one.sign(CLAIMS, "statuslist+jwt")
    assert jwt.get_unverified_header(text)["typ"] == "statuslist+jwt"
    assert signer.verify(text, {"kid": {**JWKS[Algorithm.ES256], "kid": "kid"}}) is None
    assert jwt.get_unverified_header(one.sign(CLAIMS))["typ"] == "at+jwt"
