"""Codes on real servers: clients that nobody here wrote, and crowds that redeem the same code."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from requests_oauthlib import OAuth2Session

from tests.flows.enrolment import enrol
from tests.flows.surfer import Surfer
from tests.live import LiveServer
from tests.person import VERIFIER, challenge

CALLBACK = "http://127.0.0.1:4444/cb"
LISTENING = "http://127.0.0.1:51004/cb"
CODE = ("authorization_code", "refresh_token")


@pytest.fixture
def insecure_transport(monkeypatch):
    """Both libraries refuse plain http, on loopback too, without this."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture(params=[False, True], ids=["confidential", "public"])
def account(request, server):
    return enrol(server, grants=CODE, public=request.param, redirect_uris=(CALLBACK,))


@pytest.mark.usefixtures("insecure_transport")
@pytest.mark.clause("rfc9207-2-01", "rfc8252-7.3-01", "rfc6749-4.1.2-08", "rfc7636-4.6-01")
def test_authlib_completes_the_flow(account, metadata):
    method = "client_secret_basic" if account.client_secret else "none"
    with (
        Surfer(account) as person,
        AuthlibSession(
            account.client_id,
            account.client_secret,
            token_endpoint_auth_method=method,
            scope="read",
            redirect_uri=LISTENING,
            code_challenge_method="S256",
        ) as session,
    ):
        url, state = session.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=VERIFIER
        )
        back = person.go(url)
        assert back.startswith(LISTENING + "?")
        assert parse_qs(urlsplit(back).query)["iss"] == [metadata["issuer"]]
        token = session.fetch_token(
            metadata["token_endpoint"],
            authorization_response=back,
            state=state,
            code_verifier=VERIFIER,
        )
        assert token["scope"] == "read"
        assert session.refresh_token(metadata["token_endpoint"])["access_token"]
        with pytest.raises(OAuthError, match="invalid_grant"):
            session.fetch_token(
                metadata["token_endpoint"],
                authorization_response=back,
                state=state,
                code_verifier=VERIFIER,
            )


@pytest.mark.usefixtures("insecure_transport")
@pytest.mark.clause("rfc7636-4.6-01", "rfc6749-4.1.2.1-06")
def test_requests_oauthlib_completes_the_flow(account, metadata):
    with (
        Surfer(account) as person,
        OAuth2Session(
            account.client_id, redirect_uri=CALLBACK, scope="read", pkce="S256"
        ) as client,
    ):
        url, _ = client.authorization_url(metadata["authorization_endpoint"])
        denied = parse_qs(urlsplit(person.go(url, "deny")).query)
        assert denied["error"] == ["access_denied"]
        url, _ = client.authorization_url(metadata["authorization_endpoint"])
        token = client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=person.go(url),
            client_secret=account.client_secret,
            include_client_id=account.client_secret is None or None,
        )
        assert token["refresh_token"].startswith("prn_rt_")


def redeem(account, code: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return httpx.post(f"{account.url}/oauth/token", data=form, auth=account.basic, timeout=30)


@pytest.mark.clause("rfc6749-4.1.2-04", "rfc6749-4.1.2-05", "rfc6749-10.5-02", "rfc9700-4.2.4-03")
def test_of_many_that_redeem_a_code_at_once_one_gets_tokens_and_no_session_is_left(
    database_url, tmp_path
):
    with LiveServer(tmp_path, workers=2, database_url=database_url) as server:
        account = enrol(server, grants=CODE, redirect_uris=(CALLBACK,), first_party=True)
        asked = {
            "response_type": "code",
            "client_id": account.client_id,
            "redirect_uri": CALLBACK,
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        with Surfer(account) as person, ThreadPoolExecutor(6) as crowd:
            for _ in range(5):
                back = person.go(f"{server.url}/oauth/authorize?{urlencode(asked)}")
                (code,) = parse_qs(urlsplit(back).query)["code"]
                answers = list(crowd.map(redeem, [account] * 6, [code] * 6))
                tokens = [answer.json() for answer in answers if answer.status_code == 200]
                assert len(tokens) == 1
                errors = {a.json()["error"] for a in answers if a.status_code != 200}
                assert errors == {"invalid_grant"}
                seen = httpx.post(
                    f"{server.url}/oauth/introspect",
                    data={"token": tokens[0]["refresh_token"]},
                    auth=account.basic,
                )
                assert seen.json() == {"active": False}, "the others were replays"
        assert server.log_text().count("code_replayed") >= 5
