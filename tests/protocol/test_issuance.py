"""Access tokens: which claims, for whom, how long, checked with a library that is not ours."""

import jwt
import pytest

from app.features.clients import use_case as clients
from tests.protocol.expect import claims, header
from tests.site import ISSUER, PASSWORD

NOTES = "https://notes.example.com"
PHOTOS = "https://photos.example.com"


def key_set(site) -> jwt.PyJWKSet:
    return jwt.PyJWKSet.from_dict(site.http.get("/.well-known/jwks.json").json)


def verified(site, token: str, audience: str = ISSUER) -> dict:
    """The claims, as a resource server that holds the key set reads them; the clock is ours."""
    dates = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    key = key_set(site)[header(token)["kid"]]
    return jwt.decode(
        token, key, algorithms=["RS256"], audience=audience, issuer=ISSUER, options=dates
    )


def machine_token(site, **form) -> str:
    client = site.client("client_credentials")
    return site.token(client, grant_type="client_credentials", **form).json["access_token"]


@pytest.mark.clause("rfc9068-2.1-01", "rfc9068-2.1-02", "rfc9068-2.1-03", "rfc9068-2.1-04")
@pytest.mark.clause("rfc9068-2.1-06", "rfc9068-2.1-07", "rfc7515-4.1.1-01", "rfc7515-4.1.4-01")
@pytest.mark.clause("rfc7515-4.1.9-01", "rfc7515-4.1.11-02", "rfc7515-6-01", "rfc7519-3-01")
@pytest.mark.clause("rfc7519-5.1-01", "rfc7519-5.2-01", "rfc8725-3.11-01", "rfc8725-3.11-02")
@pytest.mark.clause("rfc8725-2.8-01", "rfc8725-3.2-01", "asvs5-v9-9.1.2-01", "rfc7519-8-01")
def test_the_header_names_type_algorithm_and_key_and_nothing_else(any_site):
    any_site.user()
    answer = any_site.sign_in(any_site.client())
    published = {key["kid"] for key in any_site.http.get("/.well-known/jwks.json").json["keys"]}
    for token in (answer["access_token"], machine_token(any_site)):
        found = header(token)
        assert set(found) == {"alg", "typ", "kid"}
        assert (found["alg"], found["typ"]) == ("RS256", "at+jwt")
        assert found["kid"] in published
        assert token.count(".") == 2
        assert "=" not in token


@pytest.mark.clause("rfc9068-2.2-01", "rfc9068-2.2-02", "rfc9068-2.2-03", "rfc9068-2.2-04")
@pytest.mark.clause("rfc9068-2.2-05", "rfc9068-2.2-07", "rfc9068-2.2-08", "rfc9068-2.2-09")
@pytest.mark.clause("rfc9068-2.2.1-01", "rfc9068-2.2.3-01", "rfc7519-4-01", "rfc7519-7.1-01")
@pytest.mark.clause("rfc7519-4.1.4-03", "rfc7519-4.1.6-01", "rfc9700-4.15-01", "rfc7519-12-01")
@pytest.mark.clause("rfc6750-5.2-01", "rfc6750-5.2-08", "rfc6750-5.2-09", "rfc6750-5.2-10")
def test_a_persons_token_has_these_claims_and_no_other(any_site):
    alice, client = any_site.user(), any_site.client()
    answer = any_site.sign_in(client)
    found = verified(any_site, answer["access_token"])
    assert found == claims(answer["access_token"])
    now = any_site.clock() // 1000
    assert {name: found[name] for name in set(found) - {"jti", "sid", "status"}} == {
        "iss": ISSUER,
        "sub": alice.id,
        "aud": ISSUER,
        "client_id": client.client.client_id,
        "iat": now,
        "exp": now + 900,
        "scope": "read write",
        "auth_time": now,
    }
    assert all(type(found[name]) is int for name in ("iat", "exp", "auth_time"))
    assert found["sid"]
    assert found["jti"]
    assert "alice" not in str(found)


@pytest.mark.clause("rfc9068-2.2-06", "rfc9700-4.15-01", "rfc9700-4.15.1-02")
def test_a_clients_token_speaks_of_the_client_only(site):
    client = site.client("client_credentials")
    answer = site.token(client, grant_type="client_credentials").json
    found = verified(site, answer["access_token"])
    assert found["sub"] == found["client_id"] == client.client.client_id
    assert set(found) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}


@pytest.mark.clause("rfc9068-2.2-09", "rfc7519-4.1.7-01")
def test_no_two_tokens_share_a_jti(site):
    client = site.client("client_credentials")
    tokens = [
        site.token(client, grant_type="client_credentials").json["access_token"] for _ in range(30)
    ]
    assert len({claims(token)["jti"] for token in tokens}) == 30


@pytest.mark.clause("rfc9068-2.2.1-02", "rfc7519-4.1.2-01", "asvs5-v10-10.4.8-01")
def test_refreshing_keeps_who_and_when_and_moves_the_dates(site):
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    first = claims(answer["access_token"])
    site.clock.advance(seconds=500)
    second = claims(site.refresh(client, answer["refresh_token"]).json["access_token"])
    for name in ("iss", "sub", "aud", "client_id", "scope", "sid", "auth_time"):
        assert second[name] == first[name]
    assert second["iat"] == first["iat"] + 500
    assert second["exp"] == first["exp"] + 500
    assert second["jti"] != first["jti"]


@pytest.mark.clause("draft-rt-expiration-5-05", "rfc6749-5.1-03")
@pytest.mark.parametrize("started", [0, 1, 400, 999])
def test_an_access_token_never_outlives_its_session(make_site, started):
    site = make_site(session_ttl=1000, access_token_ttl=900)
    site.clock.now += started
    site.user()
    client = site.client()
    answer = site.sign_in(client)
    ends = site.clock() + 1_000_000
    for elapsed in (0, 99, 1, 1, 0.5, 500, 398, 0.4):
        site.clock.advance(seconds=elapsed)
        answer = site.refresh(client, answer["refresh_token"]).json
        found = claims(answer["access_token"])
        assert found["exp"] * 1000 <= ends
        assert found["exp"] == min(site.clock() + 900_000, ends) // 1000
        assert answer["expires_in"] == found["exp"] - found["iat"]
    assert answer["expires_in"] <= 1


def test_a_session_shorter_than_the_token_lifetime_cuts_the_token(make_site):
    site = make_site(session_ttl=60)
    site.user()
    answer = site.sign_in(site.client())
    found = claims(answer["access_token"])
    assert (found["exp"] - found["iat"], answer["expires_in"]) == (60, 60)
    assert answer["authorization_expires_in"] == 60


@pytest.mark.clause("rfc6750-5.3-04", "rfc6819-5.1.5.3-01", "rfc6819-5.1.5.2-01")
def test_by_default_an_access_token_lives_a_quarter_of_an_hour(site):
    site.user()
    assert site.sign_in(site.client())["expires_in"] == 900


@pytest.mark.clause("rfc9068-3-03", "rfc8725-3.9-01", "rfc8707-2.1-01", "rfc6750-5.3-05")
@pytest.mark.parametrize("audience", ["https://api.example.com", "urn:example:api"])
def test_the_default_audience_is_the_configured_one(make_site, audience):
    site = make_site(default_audience=audience)
    assert claims(machine_token(site))["aud"] == audience


@pytest.mark.clause("rfc9068-3-01", "rfc9068-5-02", "rfc8707-2-05", "rfc9700-2.3-02")
@pytest.mark.clause("asvs5-v9-9.2.4-01", "rfc7519-4.1.3-02", "rfc6819-5.1.5.5-01")
def test_the_audience_is_the_resource_asked_for(site):
    site.client(resource=NOTES)
    token = machine_token(site, resource=NOTES)
    assert claims(token)["aud"] == NOTES
    assert verified(site, token, NOTES)
    with pytest.raises(jwt.InvalidAudienceError):
        verified(site, token, PHOTOS)


@pytest.mark.clause("rfc8707-2-04", "rfc7519-4.1.3-02")
def test_several_resources_are_a_list_each_once(site):
    site.client(resource=NOTES)
    site.client(resource=PHOTOS)
    client = site.client("client_credentials")
    asked = [("grant_type", "client_credentials")]
    asked += [("resource", uri) for uri in (PHOTOS, NOTES, PHOTOS)]
    token = site.post("/oauth/token", asked, client).json["access_token"]
    assert claims(token)["aud"] == [PHOTOS, NOTES]


@pytest.mark.clause("rfc9068-2.2.3-01", "rfc6749-5.1-04")
def test_a_token_without_scope_has_no_scope_claim(site):
    answer = site.token(
        site.client("client_credentials", scope=""), grant_type="client_credentials"
    ).json
    assert "scope" not in answer
    assert "scope" not in claims(answer["access_token"])


@pytest.mark.clause("rfc9068-5-01", "rfc9700-2.6-02", "rfc9700-4.15.1-01", "rfc9700-4.15.1-02")
def test_a_client_id_cannot_be_taken_for_a_person(site):
    """Clients do not choose their ids, and the two kinds of id differ in length."""
    people = [site.user(name, PASSWORD).id for name in ("alice", "bob")]
    machines = [site.client("client_credentials").client.client_id for _ in range(2)]
    assert {len(person) for person in people}.isdisjoint({len(one) for one in machines})
    assert "client_id" not in clients.Wish.__dataclass_fields__


@pytest.mark.clause("rfc6749-10.4-01", "rfc7519-12-01")
def test_the_session_id_in_a_token_is_not_the_one_in_the_refresh_token(site):
    site.user()
    answer = site.sign_in(site.client())
    with site.run.rotations.connect() as connection:
        sid = connection.exec_driver_sql("SELECT sid FROM sessions").scalar_one()
    assert bytes(sid).hex() not in str(claims(answer["access_token"]))


@pytest.mark.clause("rfc6749-10.3-03", "rfc6750-5.2-01")
def test_a_changed_token_does_not_verify(site):
    token = machine_token(site)
    head, body, signature = token.split(".")
    changed = ("B" if body[20] != "B" else "C").join((body[:20], body[21:]))
    with pytest.raises(jwt.InvalidTokenError):
        verified(site, f"{head}.{changed}.{signature}")
