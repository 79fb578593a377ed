"""Signing in with a password: for registered clients, with one answer for every failure."""

import unicodedata

import pytest

from app.features.users import use_case as users
from tests.protocol.expect import TOKEN, everything, never_cached, refused, wire
from tests.site import PASSWORD

RIGHT = {"grant_type": "password", "username": "alice", "password": PASSWORD}


@pytest.mark.clause("rfc6749-5.1-01", "rfc6749-5.1-02", "rfc6749-5.1-03", "rfc6749-5.1-07")
@pytest.mark.clause("draft-rt-expiration-6.1-02")
def test_a_sign_in_brings_tokens_and_how_long_they_live(any_site):
    any_site.user()
    answer = any_site.token(any_site.client(), **RIGHT)
    assert answer.status_code == 200
    never_cached(answer)
    tokens = {"access_token", "refresh_token"}
    assert tokens < set(answer.json)
    assert {name: answer.json[name] for name in set(answer.json) - tokens} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "read write",
        "refresh_token_timeout": 30 * 86_400,
        "authorization_expires_in": 90 * 86_400,
    }
    assert answer.json["refresh_token"].startswith("prn_rt_")
    assert len(answer.json["refresh_token"]) == 7 + 64


@pytest.mark.clause("rfc6749-4.3.2-03", "rfc6749-5.2-07")
def test_every_failure_of_a_sign_in_gets_the_same_octets(any_site):
    any_site.user()
    any_site.user("bob")
    users.disable(any_site.run, users.find(any_site.run, "bob"))
    users.create(any_site.run, "carol", None, None)
    client = any_site.client()
    before = everything(any_site)
    answers = {
        "wrong password": any_site.token(client, **{**RIGHT, "password": "wrong"}),
        "unknown name": any_site.token(client, **{**RIGHT, "username": "nobody"}),
        "disabled": any_site.token(client, **{**RIGHT, "username": "bob"}),
        "disabled and wrong": any_site.token(
            client, **{**RIGHT, "username": "bob", "password": "x"}
        ),
        "no password set": any_site.token(client, **{**RIGHT, "username": "carol"}),
        "other case": any_site.token(client, **{**RIGHT, "password": PASSWORD.upper()}),
        "a blank more": any_site.token(client, **{**RIGHT, "password": PASSWORD + " "}),
        "too long": any_site.token(client, **{**RIGHT, "password": "x" * 2_000}),
        "a pattern": any_site.token(client, **{**RIGHT, "username": "al%"}),
    }
    for case, answer in answers.items():
        assert wire(answer) == wire(answers["wrong password"]), case
    refused(answers["wrong password"], "invalid_grant")
    assert everything(any_site) == before


@pytest.mark.clause("rfc6749-4.3.2-01", "rfc6749-5.2-02", "rfc6749-3.2-05")
@pytest.mark.parametrize("missing", ["username", "password"])
def test_name_and_password_are_required(site, missing):
    client = site.client()
    refused(site.token(client, **{**RIGHT, missing: ""}), "invalid_request")
    rest = {name: value for name, value in RIGHT.items() if name != missing}
    refused(site.token(client, **rest), "invalid_request")


@pytest.mark.clause("rfc6749-4.3.2-02", "rfc6749-3.2.1-01", "rfc6749-10.2-01")
def test_a_confidential_client_must_authenticate_first(site):
    site.user()
    client = site.client()
    before = everything(site)
    refused(site.post(TOKEN, RIGHT), "invalid_client", status=401)
    named = {**RIGHT, "client_id": client.client.client_id}
    refused(site.post(TOKEN, named), "invalid_client", status=401)
    assert everything(site) == before


@pytest.mark.clause("rfc6749-5.2-08", "asvs5-v10-10.4.4-01", "rfc6749-10.7-01")
def test_a_client_without_the_grant_may_not_use_it(site):
    site.user()
    refused(site.token(site.client("refresh_token"), **RIGHT), "unauthorized_client")
    refused(site.token(site.client(resource="https://a.example"), **RIGHT), "unauthorized_client")


@pytest.mark.clause("rfc9700-2.4-01", "draft-oauth-v2-1-3.2.2-01", "rfc6749-5.2-09")
@pytest.mark.clause("asvs5-v10-10.4.4-02")
def test_switched_off_the_grant_is_unknown_to_everybody(make_site):
    site = make_site(password_grant="off")
    site.user()
    refused(site.token(site.client(), **RIGHT), "unsupported_grant_type")
    refused(site.post(TOKEN, RIGHT), "unsupported_grant_type")


def test_a_public_client_of_the_owner_signs_people_in(site):
    site.user()
    client = site.client("password", "refresh_token", public=True, first_party=True)
    token = site.sign_in(client)["refresh_token"]
    assert site.refresh(client, token).status_code == 200


@pytest.mark.clause("rfc9700-4.14.2-01", "rfc6819-5.2.2.1-01", "draft-rt-expiration-6.1-03")
def test_no_refresh_token_for_a_client_that_may_not_use_it(any_site):
    any_site.user()
    answer = any_site.token(any_site.client("password"), **RIGHT)
    assert answer.status_code == 200
    assert set(answer.json) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "authorization_expires_in",
    }
    assert len(everything(any_site)["sessions"]) == 1


@pytest.mark.clause("rfc6749-3.3-01", "rfc6749-5.1-04")
def test_a_sign_in_may_ask_for_less_scope_and_for_a_resource(site):
    site.user()
    site.client(resource="https://notes.example.com")
    client = site.client()
    answer = site.sign_in(client, scope="read", resource="https://notes.example.com")
    assert answer["scope"] == "read"
    again = site.refresh(client, answer["refresh_token"])
    assert again.json["scope"] == "read"


@pytest.mark.parametrize(
    ("more", "error"),
    [({"scope": "admin"}, "invalid_scope"), ({"resource": "https://x.example"}, "invalid_target")],
)
def test_asking_for_too_much_begins_no_session(site, more, error):
    site.user()
    client = site.client()
    before = everything(site)
    refused(site.token(client, **RIGHT, **more), error)
    assert everything(site) == before


def test_a_name_is_found_however_its_accents_were_composed(site):
    site.user("Zo\u00eb")
    client = site.client()
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "Zo\u00eb")
        assert site.token(client, **{**RIGHT, "username": name}).status_code == 200


@pytest.mark.clause("rfc6749-10.3-01", "rfc6749-10.4-01")
def test_no_log_line_holds_a_password_or_a_token(site, capsys):
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    site.token(client, **{**RIGHT, "password": "a-wrong-password"})
    site.token(client, **{**RIGHT, "username": "typed-into-the-wrong-field"})
    site.refresh(client, answer["refresh_token"])
    log = capsys.readouterr().err
    assert "sign_in_refused" in log
    for secret in (
        PASSWORD,
        "a-wrong-password",
        "typed-into-the-wrong-field",
        client.secret,
        answer["refresh_token"],
        answer["access_token"],
    ):
        assert secret not in log
