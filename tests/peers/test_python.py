"""Verifiers in Python: ours, PyJWT as the page says, joserfc's key set."""

import asyncio

import httpx
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from perennial.verify import AsyncVerifier, Introspection, InvalidToken, Verifier
from tests.guides import block
from tests.peers.conftest import AUDIENCE, tampered
from tests.servers import wait_until


def status_of(verify, refusals):
    def status(token):
        try:
            verify(token)
        except refusals:
            return 401
        return 200

    return status


@pytest.mark.clause("rfc9068-4-01", "rfc7517-4.5-01")
def test_our_kit_tells_tokens_apart(issuer, tells_apart):
    tells_apart(status_of(Verifier(issuer.url, AUDIENCE).verify, InvalidToken))


def test_our_kit_tells_tokens_apart_under_asyncio(issuer, tells_apart):
    verifier = AsyncVerifier(issuer.url, AUDIENCE)
    tells_apart(status_of(lambda token: asyncio.run(verifier.verify(token)), InvalidToken))


def test_our_kit_knows_a_key_it_has_never_seen(issuer):
    verifier = Verifier(issuer.url, AUDIENCE)
    assert verifier.verify(issuer.token())
    issuer.rotate()
    assert verifier.verify(issuer.rotate()), "made after the set was fetched"


def test_our_kit_says_who_it_is(issuer):
    token = Verifier(issuer.url, AUDIENCE).verify(issuer.token(), scope="read")
    assert token.client_id == issuer.account.client_id
    assert token.session_id
    assert token.scopes == {"read", "write"}


def test_our_kit_learns_of_a_sign_out_by_asking(issuer):
    how = Introspection(*issuer.api.basic)
    verifier = Verifier(issuer.url, AUDIENCE, introspection=how, status_list="off")
    answer = issuer.sign_in()
    token = answer["access_token"]
    assert verifier.verify(token, sensitive=True)
    issuer.revoke(answer["refresh_token"])
    assert verifier.verify(token), "a signature does not know"
    with pytest.raises(InvalidToken, match="inactive"):
        verifier.verify(token, sensitive=True)


def test_our_kit_learns_of_a_sign_out_from_the_status_list(issuer):
    verifier = Verifier(issuer.url, AUDIENCE)
    answer = issuer.sign_in()
    assert verifier.verify(answer["access_token"])
    issuer.revoke(answer["refresh_token"])
    verdict = status_of(verifier.verify, InvalidToken)
    wait_until(lambda: verdict(answer["access_token"]) == 401, "a refusal", seconds=20)
    assert verifier.verify(issuer.token()), "others go on"


def page(number, issuer, **more):
    """What a block of our page defines."""
    changes = {"https://id.example.com": issuer.url, **more}
    defined = {"__name__": __name__}
    exec(
        compile(block("verifying/python.md", "python", changes, number), "python.md", "exec"),
        defined,
    )
    return defined


def test_the_page_of_our_kit_protects_flask(issuer):
    site = page(0, issuer)["app"].test_client()
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    assert site.get("/notes", headers=headers).json["owner"]
    assert site.get("/notes").headers["WWW-Authenticate"] == "Bearer"


def test_the_page_of_our_kit_protects_fastapi(issuer):
    async def get(**how):
        transport = httpx.ASGITransport(page(1, issuer)["app"])
        async with httpx.AsyncClient(transport=transport, base_url="https://notes") as client:
            return await client.get("/notes", **how)

    headers = {"Authorization": f"Bearer {issuer.token()}"}
    assert asyncio.run(get(headers=headers)).json()["owner"]
    assert asyncio.run(get()).headers["WWW-Authenticate"] == "Bearer"


def test_the_page_of_our_kit_says_what_happened(issuer):
    check = page(2, issuer)["check"]
    assert issuer.account.client_id in check(issuer.token())
    assert check(tampered(issuer.token())) == "refused: bad_signature"


def test_the_page_of_our_kit_asks_before_it_deletes(issuer):
    client_id, secret = issuer.api.basic
    may_delete = page(3, issuer, CLIENT_ID=client_id, CLIENT_SECRET=secret)["may_delete"]
    answer = issuer.sign_in()
    assert may_delete(answer["access_token"])
    issuer.revoke(answer["refresh_token"])
    with pytest.raises(InvalidToken, match="inactive"):
        may_delete(answer["access_token"])


def test_pyjwt_tells_tokens_apart(issuer, tells_apart):
    defined = {}
    exec(block("verifying/pyjwt.md", "python", {"https://id.example.com": issuer.url}), defined)
    tells_apart(status_of(defined["verified"], jwt.PyJWTError))


def test_joserfc_tells_tokens_apart(issuer, tells_apart):
    expected = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer.url},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )

    def verify(token):
        published = KeySet.import_key_set(httpx.get(f"{issuer.url}/.well-known/jwks.json").json())
        expected.validate(joserfc_jwt.decode(token, published, algorithms=["RS256"]).claims)

    tells_apart(status_of(verify, (JoseError, ValueError)))
