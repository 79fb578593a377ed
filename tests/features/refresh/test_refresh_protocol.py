"""Refreshing as RFC 6749 §6 describes it: who may, what it may ask for, what it learns."""

import pytest

from app.features.users import use_case as users
from tests.protocol.expect import TOKEN, claims, everything, never_cached, refused
from tests.site import PASSWORD

NOTES = "https://notes.example.com"
PHOTOS = "https://photos.example.com"
DAY = 86_400


@pytest.fixture
def signed_in(any_site):
    """(site, client, the answer of the sign-in)"""
    any_site.user()
    client = any_site.client()
    return any_site, client, any_site.sign_in(client)


def forged(token: str) -> str:
    """The same session under a tag that nobody computed, with a checksum that fits."""
    from app.core import refresh_token as wire

    parsed = wire.parse(token)
    payload = wire._head(parsed.secret_id, parsed.sid, parsed.generation) + b"x" * wire.TAG_BYTES
    return wire._encode(payload)


@pytest.mark.clause("rfc6749-6-07", "rfc6749-5.1-01", "rfc6749-5.1-05", "rfc6749-5.1-06")
@pytest.mark.clause("rfc9700-2.2.2-01", "rfc9700-4.14.2-04", "draft-oauth-v2-1-4.3.1-01")
@pytest.mark.clause("asvs5-v10-10.4.5-01", "rfc6819-5.2.2.3-01", "draft-rt-expiration-6.1-02")
@pytest.mark.parametrize("public", [False, True])
def test_a_refresh_brings_a_new_pair(any_site, public):
    any_site.user()
    client = any_site.client("password", "refresh_token", public=public, first_party=public)
    first = any_site.sign_in(client)
    answer = any_site.refresh(client, first["refresh_token"])
    assert answer.status_code == 200
    never_cached(answer)
    assert set(answer.json) == set(first)
    assert answer.json["refresh_token"] != first["refresh_token"]
    assert answer.json["access_token"] != first["access_token"]


@pytest.mark.clause("rfc6749-6-01", "rfc6749-5.2-02", "rfc6749-3.2-05")
def test_the_token_is_required(site):
    client = site.client()
    refused(site.token(client, grant_type="refresh_token"), "invalid_request")
    refused(site.refresh(client, ""), "invalid_request")


@pytest.mark.clause("rfc6749-6-04", "rfc6749-3.2.1-01", "rfc6749-10.2-01")
def test_a_confidential_client_must_authenticate(signed_in):
    site, client, answer = signed_in
    before = everything(site)
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    refused(site.post(TOKEN, form), "invalid_client", status=401)
    form["client_id"] = client.client.client_id
    refused(site.post(TOKEN, form), "invalid_client", status=401)
    refused(site.post(TOKEN, {**form, "client_secret": "x"}), "invalid_client", status=401)
    assert everything(site) == before


@pytest.mark.clause("rfc6749-5.2-08", "asvs5-v10-10.4.4-01")
def test_a_client_without_the_grant_may_not_refresh(signed_in):
    site, _, answer = signed_in
    other = site.client("password")
    before = everything(site)
    refused(site.refresh(other, answer["refresh_token"]), "unauthorized_client")
    assert everything(site) == before


@pytest.mark.clause("rfc6749-6-05", "rfc6749-5.2-07", "rfc6749-10.4-03", "rfc6819-5.2.2.2-01")
@pytest.mark.clause("draft-oauth-v2-1-4.3-01")
@pytest.mark.parametrize("public", [False, True])
def test_another_clients_token_is_an_unknown_one(signed_in, public):
    site, client, answer = signed_in
    thief = site.client("password", "refresh_token", public=public, first_party=public)
    before = everything(site)
    refused(site.refresh(thief, answer["refresh_token"]), "invalid_grant")
    assert everything(site) == before
    assert site.refresh(client, answer["refresh_token"]).status_code == 200


@pytest.mark.clause("rfc6749-6-06", "rfc6749-5.2-07", "rfc6749-10.4-05", "rfc9700-4.14.2-07")
def test_what_we_did_not_issue_is_refused_alike_and_changes_nothing(signed_in):
    site, client, answer = signed_in
    token, access = answer["refresh_token"], answer["access_token"]
    before = everything(site)
    for unknown in (
        "x",
        "prn_rt_" + "0" * 64,
        token + "0",
        token[:-1],
        token.upper(),
        token.swapcase(),
        f" {token}",
        token.removeprefix("prn_rt_"),
        forged(token),
        access,
        "prn_rt_" + "z" * 64,
        "\u0661" * 71,
    ):
        refused(site.refresh(client, unknown), "invalid_grant")
    assert everything(site) == before


# --- scope ----------------------------------------------------------------------------------------


@pytest.mark.clause("rfc6749-6-02", "rfc6749-5.2-10", "rfc6749-A-01", "rfc9700-4.14.2-02")
@pytest.mark.parametrize(
    "scope", ["admin", "read admin", "READ", "read  write", " read", "read\u00a0", '"']
)
def test_a_scope_that_was_not_granted_is_refused_and_costs_nothing(signed_in, scope):
    site, client, answer = signed_in
    before = everything(site)
    refused(site.refresh(client, answer["refresh_token"], scope=scope), "invalid_scope")
    assert everything(site) == before
    assert site.refresh(client, answer["refresh_token"]).status_code == 200


@pytest.mark.clause("rfc6749-6-03", "rfc6749-6-08", "draft-oauth-v2-1-4.3.3-01", "rfc6749-3.3-01")
def test_a_narrow_refresh_narrows_the_access_token_only(signed_in):
    site, client, answer = signed_in
    narrow = site.refresh(client, answer["refresh_token"], scope="write").json
    assert narrow["scope"] == claims(narrow["access_token"])["scope"] == "write"
    wide = site.refresh(client, narrow["refresh_token"]).json
    assert wide["scope"] == claims(wide["access_token"])["scope"] == "read write"
    other = site.refresh(client, wide["refresh_token"], scope="read").json
    assert other["scope"] == "read"


@pytest.mark.clause("rfc6749-6-02", "rfc9700-4.14.2-02")
def test_what_the_client_was_granted_later_or_did_not_ask_for_stays_out_of_reach(site):
    site.user()
    client = site.client(scope="read write admin")
    token = site.sign_in(client, scope="read write")["refresh_token"]
    refused(site.refresh(client, token, scope="admin"), "invalid_scope")
    assert site.refresh(client, token).json["scope"] == "read write"


# --- resources ------------------------------------------------------------------------------------


@pytest.fixture
def for_two(any_site):
    """A session for two resources: (site, client, the answer of the sign-in)."""
    any_site.user()
    for uri in (NOTES, PHOTOS, "https://third.example.com"):
        any_site.client(resource=uri)
    client = any_site.client()
    asked = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    answer = any_site.post(
        TOKEN, [*asked.items(), ("resource", NOTES), ("resource", PHOTOS)], client
    )
    assert answer.status_code == 200
    return any_site, client, answer.json


@pytest.mark.clause("rfc8707-2.1-04", "rfc8707-2.2-01", "rfc8707-2.2-03", "rfc9700-2.3-04")
def test_a_refresh_may_pick_a_resource_and_the_token_keeps_them_all(for_two):
    site, client, answer = for_two
    assert claims(answer["access_token"])["aud"] == [NOTES, PHOTOS]
    notes = site.refresh(client, answer["refresh_token"], resource=NOTES).json
    assert claims(notes["access_token"])["aud"] == NOTES
    photos = site.refresh(client, notes["refresh_token"], resource=PHOTOS).json
    assert claims(photos["access_token"])["aud"] == PHOTOS
    both = site.refresh(client, photos["refresh_token"]).json
    assert claims(both["access_token"])["aud"] == [NOTES, PHOTOS]


@pytest.mark.clause("rfc8707-2.2-02", "rfc8707-2-01", "rfc9700-4.14.2-02")
@pytest.mark.parametrize(
    "resource", ["https://third.example.com", "https://x.example", f"{NOTES}#"]
)
def test_a_resource_that_was_not_granted_is_refused_and_costs_nothing(for_two, resource):
    site, client, answer = for_two
    before = everything(site)
    refused(site.refresh(client, answer["refresh_token"], resource=resource), "invalid_target")
    assert everything(site) == before
    assert site.refresh(client, answer["refresh_token"]).status_code == 200


@pytest.mark.clause("rfc8707-2.2-02")
def test_a_session_for_the_default_audience_gets_no_resource_later(signed_in):
    site, client, answer = signed_in
    site.client(resource=NOTES)
    refused(site.refresh(client, answer["refresh_token"], resource=NOTES), "invalid_target")


# --- how long -------------------------------------------------------------------------------------


@pytest.mark.clause("draft-rt-expiration-5-01", "draft-rt-expiration-5-02", "rfc9700-4.14.2-09")
@pytest.mark.clause("draft-rt-expiration-6.1-01", "draft-rt-expiration-6.1-02")
@pytest.mark.clause("asvs5-v10-10.4.8-01", "draft-rt-expiration-6.1.1-01")
def test_the_hints_say_what_is_left_of_seven_idle_days_and_ten_days_in_all(make_any_site):
    site = make_any_site(refresh_idle_ttl=7 * DAY, session_ttl=10 * DAY)
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    seen = []
    for days in (0, 2, 3, 4):
        site.clock.advance(seconds=days * DAY)
        answer = site.refresh(client, answer["refresh_token"]).json
        left = (answer["refresh_token_timeout"], answer["authorization_expires_in"])
        assert all(type(seconds) is int for seconds in left)
        assert left[0] <= left[1]
        seen.append((left[0] // DAY, left[1] // DAY))
    assert seen == [(7, 10), (7, 8), (5, 5), (1, 1)]
    site.clock.advance(seconds=answer["authorization_expires_in"] - 0.001)
    last = site.refresh(client, answer["refresh_token"])
    assert (last.json["refresh_token_timeout"], last.json["authorization_expires_in"]) == (0, 0)
    site.clock.advance(seconds=0.001)
    token = last.json["refresh_token"]
    refused(site.refresh(client, token), "invalid_grant", reason="session_expired")


@pytest.mark.clause("draft-rt-expiration-6.1-02", "draft-rt-expiration-6.1-01")
def test_a_repeated_answer_counts_down_and_extends_nothing(signed_in):
    site, client, answer = signed_in
    first = site.refresh(client, answer["refresh_token"]).json
    site.clock.advance(seconds=59)
    again = site.refresh(client, answer["refresh_token"]).json
    assert again["refresh_token"] == first["refresh_token"]
    for hint in ("refresh_token_timeout", "authorization_expires_in"):
        assert first[hint] - again[hint] == 59
    assert again["expires_in"] == 900


# --- what the holder learns -----------------------------------------------------------------------


def idle(site, client, answer) -> str:
    site.clock.advance(seconds=100)
    return answer["refresh_token"]


def expired(site, client, answer) -> str:
    token = answer["refresh_token"]
    for _ in range(3):
        site.clock.advance(seconds=99)
        token = site.refresh(client, token).json["refresh_token"]
    site.clock.advance(seconds=3)
    return token


def ended(site, client, answer) -> str:
    assert site.revoke(client, answer["refresh_token"]).status_code == 200
    return answer["refresh_token"]


def disabled(site, client, answer) -> str:
    users.disable(site.run, users.find(site.run, "alice"))
    return answer["refresh_token"]


def new_password(site, client, answer) -> str:
    users.set_password(site.run, users.find(site.run, "alice"), "another password")
    return answer["refresh_token"]


def reused(site, client, answer) -> str:
    site.refresh(client, answer["refresh_token"])
    site.clock.advance(seconds=61)
    refused(site.refresh(client, answer["refresh_token"]), "invalid_grant", reason="session_reused")
    return answer["refresh_token"]


@pytest.mark.clause("rfc6749-6-06", "draft-rt-expiration-5-04", "rfc9700-4.14.2-06")
@pytest.mark.clause("asvs5-v10-10.4.5-03", "rfc9700-4.14.2-08", "asvs5-v10-10.4.5-02")
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (idle, "session_idle"),
        (expired, "session_expired"),
        (ended, "session_ended"),
        (disabled, "session_ended"),
        (new_password, "session_ended"),
        (reused, "session_reused"),
    ],
)
def test_only_the_holder_of_an_authentic_token_learns_why(make_any_site, end, reason):
    site = make_any_site(refresh_idle_ttl=100, session_ttl=300)
    site.user()
    client, stranger = site.client(), site.client()
    token = end(site, client, site.sign_in(client))
    refused(site.refresh(client, token), "invalid_grant", reason=reason)
    refused(site.refresh(stranger, token), "invalid_grant")
    refused(site.refresh(client, forged(token)), "invalid_grant")
    refused(site.refresh(client, token[:-1]), "invalid_grant")
    assert site.introspect(client, token) == {"active": False}


@pytest.mark.clause("rfc6749-6-02", "rfc6749-6-06")
def test_a_session_that_is_over_says_so_before_it_looks_at_the_scope(signed_in):
    site, client, answer = signed_in
    token = ended(site, client, answer)
    answer = site.refresh(client, token, scope="admin")
    refused(answer, "invalid_grant", reason="session_ended")


def test_a_person_who_may_sign_in_again_keeps_the_old_sessions_ended(signed_in):
    site, client, answer = signed_in
    token = disabled(site, client, answer)
    users.enable(site.run, users.find(site.run, "alice"))
    refused(site.refresh(client, token), "invalid_grant", reason="session_ended")
    assert site.sign_in(client)


def test_signing_out_everywhere_counts_before_a_single_row_is_marked(signed_in):
    """The person's epoch alone decides: the rows are marked later, perhaps after a crash."""
    site, client, answer = signed_in
    with site.run.transactions.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET auth_epoch = auth_epoch + 1")
    refresh = site.refresh(client, answer["refresh_token"])
    refused(refresh, "invalid_grant", reason="session_ended")
    for kind in ("access_token", "refresh_token"):
        assert site.introspect(client, answer[kind]) == {"active": False}


def test_one_persons_end_is_not_anothers(signed_in):
    site, client, answer = signed_in
    site.user("bob")
    users.disable(site.run, users.find(site.run, "bob"))
    assert site.refresh(client, answer["refresh_token"]).status_code == 200
