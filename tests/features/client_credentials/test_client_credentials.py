"""A client acting for itself: no person, no session, no refresh token, nothing written."""

import pytest

from app.store import clients as rows
from tests.protocol.expect import TOKEN, claims, everything, refused

ASK = {"grant_type": "client_credentials"}


@pytest.mark.clause("rfc6749-4.4.3-01", "rfc6749-4.4.2-01", "rfc6749-5.1-01", "rfc6749-5.1-03")
def test_the_answer_has_no_refresh_token_and_no_session(any_site):
    client = any_site.client("client_credentials", "refresh_token")
    before = everything(any_site)
    answer = any_site.token(client, **ASK)
    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json["expires_in"] == 900
    found = claims(answer.json["access_token"])
    assert found["sub"] == client.client.client_id
    assert found["exp"] - found["iat"] == 900
    assert {"sid", "auth_time", "status"}.isdisjoint(found)
    assert everything(any_site) == before


@pytest.mark.clause("rfc6749-5.2-08", "asvs5-v10-10.4.4-01")
def test_a_client_without_the_grant_may_not_use_it(site):
    refused(site.token(site.client(), **ASK), "unauthorized_client")


@pytest.mark.clause("rfc6749-4.4.2-01", "rfc6749-3.2.1-01")
def test_without_authentication_there_is_no_token(site):
    client = site.client("client_credentials")
    for form in (ASK, {**ASK, "client_id": client.client.client_id}):
        refused(site.post(TOKEN, form), "invalid_client", status=401)


@pytest.mark.clause("rfc6749-4.4-01", "rfc6749-2.3-01")
def test_a_public_client_never_acts_for_itself(site):
    public = site.client("refresh_token", public=True)
    refused(site.token(public, **ASK), "unauthorized_client")
    grants = "client_credentials refresh_token"
    with site.run.transactions.begin() as connection:
        connection.execute(rows.ClientRow.__table__.update().values(grants=grants))
    site.clock.advance(seconds=5)
    refused(site.token(public, **ASK), "unauthorized_client")
