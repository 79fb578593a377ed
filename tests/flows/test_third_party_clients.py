"""Clients that nobody here wrote, with nothing but what discovery tells them."""

import asyncio

import httpx
import jwt
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.flows.caller import Account
from tests.flows.enrolment import enrol

EXPIRED = {"expires_in": -30, "expires_at": 1}
CLAIMS = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "sid", "auth_time"]


@pytest.fixture
def insecure_transport(monkeypatch):
    """requests-oauthlib refuses plain http, on loopback too, without this."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def form(account: Account, **fields: str) -> dict[str, str]:
    return {"username": account.username, "password": account.password, **fields}


def sign_in(account: Account, metadata) -> dict[str, str]:
    fields = form(account, grant_type="password")
    answer = httpx.post(metadata["token_endpoint"], data=fields, auth=account.basic)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- requests-oauthlib ----------------------------------------------------------------------------


@pytest.mark.usefixtures("insecure_transport")
@pytest.mark.clause("rfc6749-2.3.1-01", "rfc6749-2.3.1-03", "rfc6749-6-07")
def test_requests_oauthlib_signs_in_by_basic_and_refreshes_by_itself_by_post(
    confidential, metadata
):
    client_id, client_secret = confidential.basic
    saved = []
    with OAuth2Session(
        client=LegacyApplicationClient(client_id),
        auto_refresh_url=metadata["token_endpoint"],
        auto_refresh_kwargs={"client_id": client_id, "client_secret": client_secret},
        token_updater=saved.append,
    ) as session:
        first = session.fetch_token(
            metadata["token_endpoint"], client_secret=client_secret, **form(confidential)
        )
        session.token = {**first, **EXPIRED}
        answer = session.get(metadata["jwks_uri"])
    assert answer.status_code == 200
    (second,) = saved
    assert second["refresh_token"] != first["refresh_token"]
    assert answer.request.headers["Authorization"] == f"Bearer {second['access_token']}"


@pytest.mark.usefixtures("insecure_transport")
@pytest.mark.clause("rfc6749-6-07", "rfc7009-2.1-05")
def test_requests_oauthlib_keeps_a_public_client_of_the_owner_signed_in(public, metadata):
    saved = []
    with OAuth2Session(
        client=LegacyApplicationClient(public.client_id),
        auto_refresh_url=metadata["token_endpoint"],
        auto_refresh_kwargs={"client_id": public.client_id},
        token_updater=saved.append,
    ) as session:
        session.fetch_token(metadata["token_endpoint"], **form(public))
        for _ in range(3):
            session.token = {**session.token, **EXPIRED}
            assert session.get(metadata["jwks_uri"]).status_code == 200
        assert len({token["refresh_token"] for token in saved}) == 3
        revoked = session.post(
            metadata["revocation_endpoint"],
            data={"token": saved[-1]["refresh_token"], "client_id": public.client_id},
            withhold_token=True,
        )
        assert revoked.status_code == 200
        with pytest.raises(InvalidGrantError):
            session.refresh_token(metadata["token_endpoint"])


# --- Authlib's own client -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.clause("rfc7009-2-01", "rfc7009-2.2-01", "rfc7662-2.2-03", "rfc7662-2.2-04")
def test_authlib_signs_in_refreshes_introspects_and_revokes(confidential, metadata, method):
    with AuthlibSession(
        *confidential.basic,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    ) as session:
        first = session.fetch_token(metadata["token_endpoint"], **form(confidential))
        second = session.refresh_token(metadata["token_endpoint"])
        assert second["refresh_token"] != first["refresh_token"]
        for hint in ("refresh_token", "access_token"):
            seen = session.introspect_token(metadata["introspection_endpoint"], second[hint], hint)
            assert seen.json()["active"] is True
        ended = session.revoke_token(
            metadata["revocation_endpoint"], second["refresh_token"], "refresh_token"
        )
        assert ended.status_code == 200
        for token in (second["refresh_token"], second["access_token"]):
            seen = session.introspect_token(metadata["introspection_endpoint"], token)
            assert seen.json() == {"active": False}
        with pytest.raises(OAuthError, match="invalid_grant"):
            session.refresh_token(metadata["token_endpoint"])


def test_authlib_refreshes_a_public_client_by_itself(public, metadata):
    saved = []
    with AuthlibSession(
        public.client_id,
        token_endpoint_auth_method="none",
        token_endpoint=metadata["token_endpoint"],
        update_token=lambda token, **_: saved.append(token),
    ) as session:
        first = session.fetch_token(**form(public))
        session.token = {**first, **EXPIRED}
        assert session.get(metadata["jwks_uri"]).status_code == 200
    assert [token["refresh_token"] != first["refresh_token"] for token in saved] == [True]


@pytest.mark.filterwarnings("ignore:The httpx module is deprecated")  # Authlib prefers httpx2
def test_authlib_refreshes_once_for_many_requests_of_one_event_loop(confidential, metadata):
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    saved = []

    async def update(token, **_):
        saved.append(token["refresh_token"])

    async def journey():
        async with AsyncOAuth2Client(
            *confidential.basic, token_endpoint=metadata["token_endpoint"], update_token=update
        ) as client:
            first = await client.fetch_token(**form(confidential))
            client.token = {**first, **EXPIRED}
            pages = await asyncio.gather(*(client.get(metadata["jwks_uri"]) for _ in range(5)))
            assert {page.status_code for page in pages} == {200}
            assert len(saved) == 1
            assert (await client.refresh_token())["refresh_token"] != saved[0]

    asyncio.run(journey())


@pytest.mark.clause("rfc6749-4.4.2-01", "rfc6749-4.4.3-01", "rfc9068-2.2-06")
def test_authlib_gets_a_token_for_the_client_itself(confidential, metadata):
    with AuthlibSession(*confidential.basic, scope="read") as session:
        token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert set(token) == {"access_token", "token_type", "expires_in", "expires_at", "scope"}
        seen = session.introspect_token(metadata["introspection_endpoint"], token["access_token"])
        assert seen.json()["sub"] == confidential.client_id
        assert seen.json()["scope"] == "read"


# --- plain HTTP -----------------------------------------------------------------------------------


@pytest.mark.clause("rfc7009-2-02", "rfc7662-4-04", "rfc6749-6-06")
def test_plain_httpx_needs_discovery_only(confidential, metadata):
    tokens = sign_in(confidential, metadata)
    with httpx.Client(auth=confidential.basic) as client:

        def post(endpoint: str, **fields: str) -> httpx.Response:
            return client.post(metadata[f"{endpoint}_endpoint"], data=fields)

        def refresh(token: str) -> httpx.Response:
            return post("token", grant_type="refresh_token", refresh_token=token)

        newer = refresh(tokens["refresh_token"]).json()
        assert post("revocation", token=newer["access_token"]).status_code == 200
        seen = post("introspection", token=newer["access_token"]).json()
        assert seen == {"active": False}
        assert post("introspection", token=tokens["access_token"]).json()["active"] is True
        newest = refresh(newer["refresh_token"])
        assert newest.status_code == 200, "a revoked access token leaves its session alone"
        assert post("revocation", token=tokens["refresh_token"]).status_code == 200
        refused = refresh(newest.json()["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert refused.json()["reason"] == "session_ended"


# --- resource servers -----------------------------------------------------------------------------


@pytest.mark.clause("rfc9068-2.1-01", "rfc9068-2.1-02", "rfc9068-2.1-04", "rfc9068-2.1-07")
@pytest.mark.clause("rfc9068-2.2-01", "rfc9068-2.2-03", "rfc9068-4-01", "rfc9068-4-02")
def test_pyjwt_verifies_an_access_token_by_the_published_keys(confidential, metadata):
    token = sign_in(confidential, metadata)["access_token"]
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    verified = jwt.decode_complete(
        token,
        key,
        algorithms=["RS256"],
        issuer=metadata["issuer"],
        audience=metadata["issuer"],
        options={"require": CLAIMS},
    )
    assert verified["header"]["typ"] == "at+jwt"
    assert verified["payload"]["client_id"] == confidential.client_id
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, algorithms=["RS256"], audience="https://elsewhere.example")


@pytest.mark.clause("rfc7517-5-01", "rfc7517-4.4-01", "rfc7517-9.2-01", "rfc9068-2.1-06")
def test_joserfc_verifies_an_access_token_by_the_published_keys(confidential, metadata):
    token = sign_in(confidential, metadata)["access_token"]
    published = httpx.get(metadata["jwks_uri"]).json()
    assert all(set(key) == {"kty", "use", "alg", "kid", "n", "e"} for key in published["keys"])
    read = joserfc_jwt.decode(token, KeySet.import_key_set(published), algorithms=["RS256"])
    assert read.header["typ"] == "at+jwt"
    expected = {"essential": True, "value": metadata["issuer"]}
    joserfc_jwt.JWTClaimsRegistry(
        iss=expected, aud=expected, exp={"essential": True}, sid={"essential": True}
    ).validate(read.claims)


@pytest.mark.clause("rfc7662-2.2-05", "rfc7662-4-06", "rfc9068-2.2-03")
def test_a_resource_server_sees_the_tokens_that_are_meant_for_it(server, confidential, metadata):
    uri = f"{server.url}/orders"
    orders, invoices = (
        enrol(server, resource=resource) for resource in (uri, f"{server.url}/invoices")
    )
    fields = form(confidential, grant_type="password", resource=uri)
    answer = httpx.post(metadata["token_endpoint"], data=fields, auth=confidential.basic).json()
    token = answer["access_token"]
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=uri, issuer=server.url)

    def seen_by(reader: Account, what: str) -> dict[str, object]:
        return httpx.post(
            metadata["introspection_endpoint"], data={"token": what}, auth=reader.basic
        ).json()

    assert seen_by(orders, token)["sid"] == claims["sid"]
    assert seen_by(invoices, token) == {"active": False}
    assert seen_by(orders, answer["refresh_token"]) == {"active": False}
