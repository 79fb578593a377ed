"""From an authorization request to tokens, and who may redeem a code."""

from urllib.parse import urlencode

import pytest
from sqlalchemy.exc import OperationalError

from app.features.users import use_case as users
from app.store import sessions
from tests.person import (
    AUTHORIZE,
    CALLBACK,
    CONSENT,
    SIGN_IN,
    VERIFIER,
    Person,
    answer_of,
    challenge,
    exchange,
    request,
    web_app,
)
from tests.protocol.expect import TOKEN, claims, everything, never_cached, refused
from tests.site import ISSUER, PASSWORD


@pytest.mark.clause("rfc6749-3.1-01", "rfc6749-3.1-05", "rfc6749-4.1.2-08", "rfc9207-2-01")
@pytest.mark.clause("rfc7636-4.6-01", "rfc9700-4.12-02")
def test_a_person_signs_in_consents_and_the_client_gets_tokens(any_site):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    asked = alice.ask(client, state="a b+c&d")
    assert (asked.status_code, asked.location.partition("?")[0]) == (303, ISSUER + SIGN_IN)
    signed_in = alice.sign_in_at(asked.location)
    assert signed_in.location.partition("?")[0] == ISSUER + CONSENT
    site.clock.advance(seconds=5)
    answer = alice.consent_at(signed_in.location)
    assert answer.status_code == 303
    assert answer.location.startswith(CALLBACK + "?")
    never_cached(answer)
    told = answer_of(answer.location)
    assert {**told, "code": ""} == {"code": "", "state": "a b+c&d", "iss": ISSUER}
    site.clock.advance(seconds=5)
    tokens = exchange(site, client, told["code"])
    assert tokens.status_code == 200, tokens.text
    never_cached(tokens)
    assert set(tokens.json) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "refresh_token_timeout",
        "authorization_expires_in",
    }
    seen = claims(tokens.json["access_token"])
    assert (seen["client_id"], seen["scope"]) == (client.client.client_id, "read write")
    assert seen["auth_time"] == site.clock() // 1000 - 10, "when the person signed in"
    assert seen["iat"] == site.clock() // 1000
    assert site.refresh(client, tokens.json["refresh_token"]).status_code == 200


@pytest.mark.clause("rfc8252-6-02", "rfc8252-7.3-01", "rfc8252-8.5-01")
def test_a_native_app_listens_on_the_port_it_was_given(any_site):
    any_site.user()
    client = web_app(any_site, public=True, redirect_uris=("http://127.0.0.1/cb",))
    uri = "http://127.0.0.1:51004/cb"
    code = Person(any_site).code(client, redirect_uri=uri)
    refused(exchange(any_site, client, code), "invalid_grant")
    assert exchange(any_site, client, code, redirect_uri=uri).status_code == 200


@pytest.mark.clause("rfc6749-4.1.2-03", "rfc6749-4.1.2-05", "rfc6749-10.5-02", "rfc9700-4.2.4-04")
def test_a_code_that_is_redeemed_twice_ends_the_session(any_site, capsys):
    site = any_site
    site.user()
    client = web_app(site)
    code = Person(site).code(client)
    tokens = exchange(site, client, code).json
    capsys.readouterr()
    refused(exchange(site, client, code), "invalid_grant")
    assert "code_replayed" in capsys.readouterr().err
    gone = site.refresh(client, tokens["refresh_token"])
    refused(gone, "invalid_grant", reason="session_ended")
    assert site.introspect(client, tokens["access_token"]) == {"active": False}
    before = everything(site)
    refused(exchange(site, client, code), "invalid_grant")
    assert everything(site) == before, "an ended session is not ended again"


@pytest.mark.clause("rfc6749-4.1.2-05")
def test_a_replay_is_recognised_after_the_code_has_expired(site):
    site.user()
    client = web_app(site)
    code = Person(site).code(client)
    tokens = exchange(site, client, code).json
    site.clock.advance(seconds=3600)
    refused(exchange(site, client, code), "invalid_grant")
    assert site.introspect(client, tokens["refresh_token"]) == {"active": False}


LACKING = {
    "another verifier": {"code_verifier": "w" * 43},
    "the challenge for a verifier": {"code_verifier": challenge(VERIFIER)},
    "another redirect URI": {"redirect_uri": CALLBACK + "/"},
    "no redirect URI": {"redirect_uri": ""},
}


@pytest.mark.clause("rfc7636-4.6-02", "rfc6749-4.1.3-02", "rfc6749-4.1.2-07", "rfc6749-10.6-01")
@pytest.mark.clause("rfc9700-4.8.2-03", "rfc9700-2.1.1-11", "rfc6749-4.1.3-05", "rfc7636-4.4-01")
@pytest.mark.parametrize("redeemed", [False, True])
@pytest.mark.parametrize("case", LACKING)
def test_who_lacks_a_proof_changes_nothing(any_site, case, redeemed):
    site = any_site
    site.user()
    client = web_app(site)
    code = Person(site).code(client)
    tokens = exchange(site, client, code).json if redeemed else None
    before = everything(site)
    refused(exchange(site, client, code, **LACKING[case]), "invalid_grant")
    assert everything(site) == before
    if tokens is None:
        assert exchange(site, client, code).status_code == 200, "the honest client still can"
    else:
        assert site.introspect(client, tokens["refresh_token"])["active"]


@pytest.mark.clause("rfc7636-4.5-01", "rfc7636-4.1-02", "rfc6749-4.1.3-01")
@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": ""},
        {"code": ""},
        {"code_verifier": "a" * 42},
        {"code_verifier": "\u00e9" * 43},
    ],
)
def test_a_malformed_exchange_is_an_invalid_request_and_changes_nothing(site, wrong):
    site.user()
    client = web_app(site)
    code = Person(site).code(client)
    before = everything(site)
    refused(exchange(site, client, code, **wrong), "invalid_request")
    assert everything(site) == before


@pytest.mark.clause("rfc6749-4.1.2-06", "rfc6749-4.1.3-04", "rfc6749-10.5-03")
@pytest.mark.parametrize("redeemed", [False, True])
def test_another_client_cannot_redeem_or_burn_a_code(any_site, redeemed):
    site = any_site
    site.user()
    client, thief = web_app(site), web_app(site)
    code = Person(site).code(client)
    if redeemed:
        exchange(site, client, code)
    before = everything(site)
    refused(exchange(site, thief, code), "invalid_grant")
    refused(exchange(site, thief, "prn_ac_" + "A" * 43), "invalid_grant")
    assert everything(site) == before


@pytest.mark.clause("rfc6749-4.1.3-03", "rfc6749-10.2-01", "rfc6749-3.2.1-01")
def test_a_confidential_client_authenticates_before_its_code_is_looked_at(site):
    site.user()
    client = web_app(site)
    code = Person(site).code(client)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_id": client.client.client_id,
    }
    refused(site.post(TOKEN, form), "invalid_client", status=401)
    assert exchange(site, client, code).status_code == 200


@pytest.mark.clause("rfc6749-4.1.2-01", "rfc6749-4.1.2-02", "rfc6749-10.5-01")
def test_a_code_lives_for_a_minute(any_site):
    any_site.user()
    client, alice = web_app(any_site), Person(any_site)
    code = alice.code(client)
    any_site.clock.advance(seconds=59.999)
    assert exchange(any_site, client, code).status_code == 200
    code = alice.code(client)
    any_site.clock.advance(seconds=60)
    before = everything(any_site)
    refused(exchange(any_site, client, code), "invalid_grant")
    assert everything(any_site) == before


@pytest.mark.parametrize("way", ["set-password", "disable"])
def test_a_code_dies_with_the_password_and_the_account(any_site, way):
    site = any_site
    user = site.user()
    client = web_app(site)
    code = Person(site).code(client)
    if way == "disable":
        users.disable(site.run, user)
    else:
        users.set_password(site.run, user, "another pass phrase")
    refused(exchange(site, client, code), "invalid_grant")


@pytest.mark.clause("rfc8707-2.1-04", "rfc8707-2.2-01", "rfc8707-2.2-02", "rfc8707-2.2-03")
def test_a_code_may_be_redeemed_for_some_of_its_resources(any_site):
    site = any_site
    site.user()
    notes, mail = "https://notes.example.com", "https://mail.example.com"
    for uri in (notes, mail):
        site.client(resource=uri)
    client, alice = web_app(site), Person(site)
    asked = f"{AUTHORIZE}?{urlencode([*request(client).items(), ('resource', notes), ('resource', mail)])}"
    code = answer_of(
        alice.consent_at(alice.sign_in_at(alice.get(asked).location).location).location
    )
    before = everything(site)
    refused(exchange(site, client, code["code"], resource="https://x.example"), "invalid_target")
    assert everything(site) == before
    tokens = exchange(site, client, code["code"], resource=notes).json
    assert claims(tokens["access_token"])["aud"] == notes
    refreshed = site.refresh(client, tokens["refresh_token"], resource=mail).json
    assert claims(refreshed["access_token"])["aud"] == mail


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(site):
    site.user()
    client = site.client("authorization_code", redirect_uris=(CALLBACK,))
    assert "refresh_token" not in exchange(site, client, Person(site).code(client)).json


@pytest.mark.clause("rfc6749-3.1.2.3-01", "rfc6749-3.1.2.2-05")
def test_the_redirect_uri_may_be_left_out_when_there_is_one(site):
    site.user()
    client, alice = web_app(site), Person(site)
    assert exchange(site, client, alice.code(client, redirect_uri=None)).status_code == 200
    code = alice.code(client, redirect_uri=None)
    assert exchange(site, client, code, redirect_uri="").status_code == 200
    two = web_app(site, redirect_uris=(CALLBACK, CALLBACK + "2"))
    assert alice.ask(two, redirect_uri=None).status_code == 400
    assert alice.code(two, redirect_uri=CALLBACK + "2")


@pytest.mark.clause("rfc6749-10.3-01", "rfc6749-10.4-01", "rfc7636-4.4-02")
def test_neither_database_nor_log_holds_a_code_a_cookie_or_a_token(any_site, capsys):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    asked = alice.ask(client, client_secret="sent-by-mistake")
    request_id = asked.location.partition("request=")[2]
    told = alice.consent_at(alice.sign_in_at(asked.location).location)
    code = answer_of(told.location)["code"]
    tokens = exchange(site, client, code).json
    exchange(site, client, code)
    kept = repr(everything(site)) + capsys.readouterr().err
    assert "authorized" in kept
    secrets = [code, request_id, VERIFIER, PASSWORD, "sent-by-mistake", tokens["refresh_token"]]
    secrets += [alice.cookie("perennial_session"), alice.cookie("perennial_forms")]
    for secret in secrets:
        assert secret
        assert secret not in kept
        assert secret.removeprefix("prn_ac_") not in kept


@pytest.mark.clause("rfc6749-10.10-02", "rfc6749-10.10-03")
def test_a_code_has_256_random_bits_and_is_never_the_same(site):
    site.user()
    client, alice = web_app(site), Person(site)
    codes = {alice.code(client) for _ in range(5)}
    assert len(codes) == 5
    assert {len(code) for code in codes} == {50}


def test_a_code_is_not_used_up_by_an_exchange_that_fails_half_way(any_site, monkeypatch):
    """Redemption and session are one transaction: both happen or neither."""
    site = any_site
    site.user()
    client = web_app(site)
    code = Person(site).code(client)
    before = everything(site)

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "create", fail)
        answer = exchange(site, client, code)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    # A place in a status list is wasted rather than given twice.
    assert everything(site) | {"status_lists": []} == before
    assert exchange(site, client, code).status_code == 200
