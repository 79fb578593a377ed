"""Revocation: a refresh token ends its session, an access token only itself, others nothing."""

import pytest

from tests.protocol.expect import REVOKE, everything, never_cached, refused

HINTS = ["access_token", "refresh_token", "unheard_of", "urn:example:x", "", "\u00e9", "x" * 5_000]


@pytest.fixture
def signed_in(any_site):
    """(site, client, the answer of the sign-in)"""
    any_site.user()
    client = any_site.client()
    return any_site, client, any_site.sign_in(client)


def rotated(site, client, token: str, times: int) -> list[str]:
    """Every token of the session so far."""
    tokens = [token]
    for _ in range(times):
        tokens.append(site.refresh(client, tokens[-1]).json["refresh_token"])
    return tokens


def done(answer) -> None:
    assert answer.status_code == 200
    never_cached(answer)


def session_is_over(site, client, tokens, access) -> None:
    for token in tokens:
        refused(site.refresh(client, token), "invalid_grant", reason="session_ended")
        assert site.introspect(client, token) == {"active": False}
    assert site.introspect(client, access) == {"active": False}


@pytest.mark.clause("rfc7009-2-01", "rfc7009-2.1-07", "rfc7009-2.1-08", "rfc7009-2.2-01")
@pytest.mark.clause("rfc7662-4-04", "rfc6819-5.2.3.6-01")
@pytest.mark.parametrize("which", [0, 1, 4, 5])
def test_a_refresh_token_of_any_generation_ends_its_session(signed_in, which):
    site, client, answer = signed_in
    tokens = rotated(site, client, answer["refresh_token"], 5)
    site.clock.advance(seconds=3_600)
    access = site.refresh(client, tokens[-1]).json["access_token"]
    done(site.revoke(client, tokens[which]))
    session_is_over(site, client, tokens, access)


@pytest.mark.clause("rfc7009-2.1-08")
def test_the_other_sessions_of_the_person_go_on(signed_in):
    site, client, answer = signed_in
    other = site.sign_in(client)
    done(site.revoke(client, answer["refresh_token"]))
    assert site.introspect(client, other["access_token"])["active"] is True
    assert site.refresh(client, other["refresh_token"]).status_code == 200


@pytest.mark.clause("rfc7009-2-02", "rfc7009-2.1-07", "rfc7662-4-04", "rfc7009-3-01")
def test_an_access_token_is_denied_and_its_session_goes_on(signed_in):
    site, client, answer = signed_in
    before = everything(site)["sessions"]
    done(site.revoke(client, answer["access_token"]))
    assert everything(site)["sessions"] == before
    assert site.introspect(client, answer["access_token"]) == {"active": False}
    assert site.introspect(client, answer["refresh_token"])["active"] is True
    successor = site.refresh(client, answer["refresh_token"]).json["access_token"]
    assert site.introspect(client, successor)["active"] is True


@pytest.mark.clause("rfc7009-2-02")
def test_a_machines_access_token_is_denied_too(any_site):
    client = any_site.client("client_credentials")
    first, second = (
        any_site.token(client, grant_type="client_credentials").json["access_token"]
        for _ in range(2)
    )
    done(any_site.revoke(client, first))
    assert any_site.introspect(client, first) == {"active": False}
    assert any_site.introspect(client, second)["active"] is True


@pytest.mark.clause("rfc7009-2.2-03", "rfc7009-2.1-02", "rfc7009-2.1-03", "rfc7009-2.2.1-02")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_no_hint_hides_a_token(site, kind):
    site.user()
    client = site.client()
    for hint in HINTS:
        token = site.sign_in(client)[kind]
        done(site.revoke(client, token, token_type_hint=hint))
        assert site.introspect(client, token) == {"active": False}, hint


@pytest.mark.clause("rfc7009-2.2-02", "rfc7009-2.2-03")
def test_a_token_that_is_not_ours_is_answered_200_and_changes_nothing(site):
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    before = everything(site)
    token, access = answer["refresh_token"], answer["access_token"]
    head, body, signature = access.split(".")
    for unknown in (
        "x",
        "prn_rt_" + "0" * 64,
        token[:-1],
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        "a.b.c",
        "..",
        "\u00e9",
        "x" * 20_000,
    ):
        for hint in HINTS:
            done(site.revoke(client, unknown, token_type_hint=hint))
    assert everything(site) == before


@pytest.mark.clause("rfc7009-2.2-02")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_twice_is_answered_200_and_writes_nothing_more(signed_in, kind):
    site, client, answer = signed_in
    done(site.revoke(client, answer[kind]))
    once = everything(site)
    site.clock.advance(seconds=10)
    done(site.revoke(client, answer[kind]))
    assert everything(site) == once


@pytest.mark.clause("rfc7009-2.2-02")
def test_an_expired_token_is_answered_200(make_any_site):
    site = make_any_site(session_ttl=100)
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    site.clock.advance(seconds=101)
    done(site.revoke(client, answer["access_token"]))
    done(site.revoke(client, answer["refresh_token"]))


@pytest.mark.clause("rfc7009-2.1-06", "rfc7009-2.2.1-01", "rfc6819-5.2.2.2-01")
@pytest.mark.parametrize(
    "thief",
    [{}, {"public": True, "first_party": True}, {"resource": "https://id.example.com"}],
    ids=["confidential", "public", "resource server"],
)
def test_another_clients_token_is_refused_and_nothing_changes(signed_in, thief):
    site, client, answer = signed_in
    other = site.client(**thief)
    before = everything(site)
    for kind in ("access_token", "refresh_token"):
        refused(site.revoke(other, answer[kind]), "invalid_grant")
        assert everything(site) == before
        assert site.introspect(client, answer[kind])["active"] is True


@pytest.mark.clause("rfc7009-2.1-05", "rfc7009-2.1-06")
def test_a_public_client_revokes_its_own_tokens_by_its_name(any_site):
    any_site.user()
    client = any_site.client(public=True, first_party=True)
    answer = any_site.sign_in(client)
    done(any_site.revoke(client, answer["access_token"]))
    assert any_site.refresh(client, answer["refresh_token"]).status_code == 200
    done(any_site.revoke(client, answer["refresh_token"]))
    dead = any_site.refresh(client, answer["refresh_token"])
    refused(dead, "invalid_grant", reason="session_ended")


@pytest.mark.clause("rfc7009-2.1-04", "rfc7009-2.1-05", "asvs5-v10-10.4.10-01")
def test_without_a_client_nothing_is_revoked(signed_in):
    site, client, answer = signed_in
    before = everything(site)
    token = {"token": answer["refresh_token"]}
    refused(site.post(REVOKE, token), "invalid_client", status=401)
    named = {**token, "client_id": client.client.client_id}
    refused(site.post(REVOKE, named), "invalid_client", status=401)
    refused(site.post(REVOKE, {**named, "client_secret": "x"}), "invalid_client", status=401)
    assert everything(site) == before


@pytest.mark.clause("rfc7009-2.1-01", "rfc7009-2.2.1-01")
def test_the_token_is_required(site):
    client = site.client()
    for form in ({}, {"token": ""}, {"token_type_hint": "refresh_token"}):
        refused(site.post(REVOKE, form, client), "invalid_request")


@pytest.mark.clause("rfc6749-3.2-07")
def test_two_tokens_at_once_are_malformed(signed_in):
    site, client, answer = signed_in
    both = [("token", answer["access_token"]), ("token", answer["refresh_token"])]
    before = everything(site)
    refused(site.post(REVOKE, both, client), "invalid_request")
    assert everything(site) == before


def test_denied_tokens_are_forgotten_when_they_would_have_expired(any_site):
    client = any_site.client("client_credentials")

    def deny():
        token = any_site.token(client, grant_type="client_credentials").json["access_token"]
        done(any_site.revoke(client, token))

    deny()
    any_site.clock.advance(seconds=901)
    deny()
    assert len(everything(any_site)["denied_tokens"]) == 1
