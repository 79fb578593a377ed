"""Introspection: the truth about a token, to those it concerns, and nothing is written."""

import pytest

from app.features.clients import use_case as clients
from app.features.users import use_case as users
from tests.protocol.expect import INTROSPECT, claims, everything, never_cached, refused
from tests.site import ISSUER

NOTES = "https://notes.example.com"
INACTIVE = {"active": False}
HINTS = ["access_token", "refresh_token", "unheard_of", "", "\u00e9", "x" * 5_000]


@pytest.fixture
def signed_in(any_site):
    """(site, client, the answer of the sign-in)"""
    any_site.user()
    client = any_site.client()
    return any_site, client, any_site.sign_in(client)


@pytest.mark.clause("rfc7662-2.2-01", "rfc7662-2.2-02", "rfc7662-2.2-03", "rfc7662-2.2-07")
@pytest.mark.clause("rfc7662-2.2-08", "rfc7662-2.2-09", "rfc7662-2.2-10", "rfc7662-2.2-11")
@pytest.mark.clause("rfc7662-2.2-12", "rfc7662-2.2-14", "rfc7662-5-01")
def test_an_access_token_is_described_by_its_claims(signed_in):
    site, client, answer = signed_in
    response = site.post(INTROSPECT, {"token": answer["access_token"]}, client)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    never_cached(response)
    described = {"active": True, "token_type": "Bearer", **claims(answer["access_token"])}
    assert response.json == described
    assert response.json["active"] is True
    assert all(type(response.json[name]) is int for name in ("exp", "iat", "auth_time"))
    assert "alice" not in response.text


@pytest.mark.clause("rfc7662-2.2-01", "rfc7662-2.2-03", "rfc7662-2.2-07", "rfc7662-2.2-08")
def test_a_refresh_token_is_described_by_its_session(signed_in):
    site, client, answer = signed_in
    access = claims(answer["access_token"])
    assert site.introspect(client, answer["refresh_token"]) == {
        "active": True,
        "iss": ISSUER,
        "sub": access["sub"],
        "sid": access["sid"],
        "client_id": client.client.client_id,
        "scope": "read write",
        "auth_time": access["auth_time"],
        "exp": site.clock() // 1000 + answer["refresh_token_timeout"],
    }


@pytest.mark.clause("rfc7662-2.1-03", "rfc7662-2.1-04")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_no_hint_hides_a_token(site, kind):
    site.user()
    client = site.client()
    token = site.sign_in(client)[kind]
    without = site.introspect(client, token)
    assert without["active"] is True
    for hint in HINTS:
        assert site.introspect(client, token, token_type_hint=hint) == without, hint


@pytest.mark.clause("rfc7662-2.1-02", "rfc7662-2.1-07")
def test_the_token_is_required_and_unheard_of_parameters_are_not_minded(site):
    client = site.client()
    for form in ({}, {"token": ""}, {"token_type_hint": "access_token"}):
        refused(site.post(INTROSPECT, form, client), "invalid_request")
    assert site.introspect(client, "x", unheard_of="1", resource=NOTES) == INACTIVE


# --- who may ask ----------------------------------------------------------------------------------


@pytest.mark.clause("rfc7662-2.1-05", "rfc7662-2.3-01", "rfc7662-4-07", "rfc6749-2.3-01")
def test_only_a_client_that_proves_who_it_is_may_ask(signed_in):
    site, client, answer = signed_in
    token = {"token": answer["access_token"]}
    public = site.client("refresh_token", public=True)
    name = client.client.client_id
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    for response in (
        site.post(INTROSPECT, token),
        site.post(INTROSPECT, {**token, "client_id": name}),
        site.post(INTROSPECT, {**token, "client_id": name, "client_secret": "x"}),
        site.post(INTROSPECT, token, public),
        site.post(INTROSPECT, token, headers=bearer),
    ):
        refused(response, "invalid_client", status=401)
        assert 'realm="' in response.headers["WWW-Authenticate"]


def test_a_public_client_cannot_ask_about_its_own_tokens(any_site):
    any_site.user()
    client = any_site.client(public=True, first_party=True)
    token = any_site.sign_in(client)["refresh_token"]
    refused(any_site.post(INTROSPECT, {"token": token}, client), "invalid_client", status=401)


@pytest.mark.clause("rfc7662-2.2-04", "rfc7662-2.2-05", "rfc7662-2.2-06", "rfc7662-2.3-03")
@pytest.mark.clause("rfc7662-4-06", "rfc7662-4-08")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_what_belongs_to_another_client_is_inactive_without_a_word(signed_in, kind):
    site, _, answer = signed_in
    for stranger in (site.client(), site.client(resource=NOTES)):
        assert site.introspect(stranger, answer[kind]) == INACTIVE


@pytest.mark.clause("rfc7662-2.2-13", "rfc7662-4-06", "rfc7662-4-08", "rfc9700-4.9.3-02")
def test_a_resource_server_sees_what_is_addressed_to_it(any_site):
    any_site.user()
    notes, photos = (any_site.client(resource=uri) for uri in (NOTES, "urn:example:photos"))
    default = any_site.client(resource=ISSUER)
    client = any_site.client()
    for_notes = any_site.sign_in(client, resource=NOTES)
    for_default = any_site.sign_in(client)["access_token"]
    token = for_notes["access_token"]
    assert any_site.introspect(notes, token) == any_site.introspect(client, token)
    assert any_site.introspect(notes, token)["aud"] == NOTES
    assert any_site.introspect(photos, token) == INACTIVE
    assert any_site.introspect(default, token) == INACTIVE
    assert any_site.introspect(default, for_default)["active"] is True
    assert any_site.introspect(notes, for_default) == INACTIVE
    for server in (notes, photos, default):
        assert any_site.introspect(server, for_notes["refresh_token"]) == INACTIVE


def test_each_of_several_audiences_sees_the_token(any_site):
    uris = (NOTES, "urn:example:photos")
    servers = [any_site.client(resource=uri) for uri in uris]
    client = any_site.client("client_credentials")
    form = [("grant_type", "client_credentials"), *(("resource", uri) for uri in uris)]
    token = any_site.post("/oauth/token", form, client).json["access_token"]
    for server in servers:
        assert any_site.introspect(server, token)["aud"] == list(uris)


# --- what is no longer good -----------------------------------------------------------------------


@pytest.mark.clause("rfc7662-4-02", "rfc7662-2.2-03", "rfc7519-4.1.4-01")
def test_an_access_token_is_active_until_its_exp_and_not_a_millisecond_longer(signed_in):
    site, client, answer = signed_in
    site.clock.advance(seconds=899.999)
    assert site.introspect(client, answer["access_token"])["active"] is True
    site.clock.advance(seconds=0.001)
    assert site.introspect(client, answer["access_token"]) == INACTIVE


def test_a_refresh_token_is_active_until_its_session_is_idle_or_over(make_any_site):
    site = make_any_site(refresh_idle_ttl=100, session_ttl=150)
    site.user()
    client = site.client()
    left = site.sign_in(client)["refresh_token"]
    kept = site.sign_in(client)["refresh_token"]
    site.clock.advance(seconds=99.999)
    kept = site.refresh(client, kept).json["refresh_token"]
    assert site.introspect(client, left)["active"] is True
    site.clock.advance(seconds=0.001)
    assert site.introspect(client, left) == INACTIVE
    site.clock.advance(seconds=49.999)
    assert site.introspect(client, kept)["active"] is True
    site.clock.advance(seconds=0.001)
    assert site.introspect(client, kept) == INACTIVE


@pytest.mark.clause("rfc7662-2.2-03", "rfc9700-4.14.2-04")
def test_a_superseded_refresh_token_is_active_as_long_as_it_would_be_answered(signed_in):
    site, client, answer = signed_in
    first = answer["refresh_token"]
    second = site.refresh(client, first, key="a-key-of-one-token-1").json["refresh_token"]
    assert site.introspect(client, first) == site.introspect(client, second)
    site.clock.advance(seconds=60)
    assert site.introspect(client, first)["active"] is True
    site.clock.advance(seconds=0.001)
    assert site.introspect(client, first) == INACTIVE
    assert site.introspect(client, second)["active"] is True


def test_asking_about_a_reused_token_does_not_end_its_session(signed_in):
    site, client, answer = signed_in
    token = answer["refresh_token"]
    for _ in range(3):
        token = site.refresh(client, token).json["refresh_token"]
    before = everything(site)
    assert site.introspect(client, answer["refresh_token"]) == INACTIVE
    assert everything(site) == before
    assert site.refresh(client, token).status_code == 200


def end_by_revocation(site, client, answer):
    site.revoke(client, answer["refresh_token"])


def end_by_reuse(site, client, answer):
    site.refresh(client, answer["refresh_token"])
    site.clock.advance(seconds=61)
    site.refresh(client, answer["refresh_token"])


def end_by_disabling_the_person(site, client, answer):
    users.disable(site.run, users.find(site.run, "alice"))


def end_by_a_new_password(site, client, answer):
    users.set_password(site.run, users.find(site.run, "alice"), "another password")


@pytest.mark.clause("rfc7662-4-01", "rfc7662-4-04", "rfc7009-2.1-08", "rfc9700-4.14.2-06")
@pytest.mark.parametrize(
    "end",
    [end_by_revocation, end_by_reuse, end_by_disabling_the_person, end_by_a_new_password],
)
def test_when_a_session_ends_all_its_tokens_are_inactive(signed_in, end):
    site, client, answer = signed_in
    end(site, client, answer)
    for kind in ("access_token", "refresh_token"):
        assert site.introspect(client, answer[kind]) == INACTIVE


@pytest.mark.clause("rfc7662-4-01", "rfc7662-4-04")
def test_the_tokens_of_a_disabled_client_are_inactive_for_the_resource_server(any_site):
    any_site.user()
    notes = any_site.client(resource=NOTES)
    client = any_site.client("password", "client_credentials")
    person = any_site.sign_in(client, resource=NOTES)["access_token"]
    machine = any_site.token(client, grant_type="client_credentials", resource=NOTES).json
    for token in (person, machine["access_token"]):
        assert any_site.introspect(notes, token)["active"] is True
    clients.disable(any_site.run, client.client)
    any_site.clock.advance(seconds=5)
    for token in (person, machine["access_token"]):
        assert any_site.introspect(notes, token) == INACTIVE


@pytest.mark.clause("rfc7662-2.3-03")
def test_asking_writes_nothing_whatever_the_token(signed_in):
    site, client, answer = signed_in
    site.refresh(client, answer["refresh_token"])
    denied = site.sign_in(client)["access_token"]
    site.revoke(client, denied)
    strangers = (site.client(), site.client(resource=NOTES))
    before = everything(site)
    for elapsed in (0, 61, 10_000):
        site.clock.advance(seconds=elapsed)
        for token in (*(answer[kind] for kind in ("access_token", "refresh_token")), denied, "x"):
            for asking in (client, *strangers):
                site.introspect(asking, token)
    assert everything(site) == before
