"""The published key set: public halves only, cacheable, and true through a rotation."""

import hashlib
import json

import jwt
import pytest
from sqlalchemy import text

from tests.protocol.expect import base64url, claims, header, unbase64url

PATH = "/.well-known/jwks.json"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
TOKEN_LIFE, MARGIN = 900, 30


def key_set(site) -> list[dict]:
    answer = site.http.get(PATH)
    assert answer.status_code == 200
    assert set(answer.json) == {"keys"}
    return answer.json["keys"]


def kids(site) -> list[str]:
    return [key["kid"] for key in key_set(site)]


def fresh_token(site) -> str:
    client = site.client("client_credentials")
    return site.token(client, grant_type="client_credentials").json["access_token"]


def rotate(site) -> None:
    """Promote the next key at once, and let the server notice."""
    site.clock.advance(seconds=5)
    now = site.clock()
    site.run.ceremony().rotate(at_once=True, called_at=now, now=now)
    site.clock.advance(seconds=2)


def verifies(site, token: str) -> bool:
    keys = jwt.PyJWKSet.from_dict(site.http.get(PATH).json)
    try:
        key = keys[header(token)["kid"]]
    except KeyError:
        return False
    checks = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    return bool(jwt.decode(token, key, algorithms=["RS256"], options=checks))


@pytest.mark.clause("rfc7517-5-01", "rfc7517-8.5-01", "rfc8414-2-04", "rfc9068-4-02")
def test_the_set_is_json_that_may_be_cached_as_long_as_announced(make_site):
    answer = make_site(jwks_max_age=123).http.get(PATH)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    cache = {item.strip() for item in answer.headers["Cache-Control"].split(",")}
    assert cache == {"public", "max-age=123"}
    assert "Set-Cookie" not in answer.headers


def cached_for(site) -> int:
    control = site.http.get(PATH).headers["Cache-Control"]
    return int(control.partition("max-age=")[2])


def test_a_cache_ends_when_a_key_begins_to_sign_or_leaves(make_any_site):
    site = make_any_site(key_rotation_interval=1_000)
    assert cached_for(site) == 300
    site.clock.advance(seconds=900)
    assert cached_for(site) == 100, "then another key signs"
    site.clock.advance(seconds=99.5)
    assert cached_for(site) == 1
    rotate(site)
    site.clock.advance(seconds=900)
    assert cached_for(site) == 28, "then the superseded key leaves"


def test_a_host_without_the_database_lets_nobody_keep_what_may_be_outdated(make_sqlite_site):
    """Other hosts may reach it, publish a key, and sign with it 330 seconds later."""
    site = make_sqlite_site()
    assert cached_for(site) == 300
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE signing_keys RENAME TO away"))
    for passed, kept in ((3, 300), (100, 201), (200, 1), (3600, 1)):
        site.clock.advance(seconds=passed)
        assert cached_for(site) == kept
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO signing_keys"))
    assert cached_for(site) == 300


def test_keys_of_two_algorithms_are_published_side_by_side(make_site):
    make_site()
    site = make_site(signing_alg="ES256")
    site.run.ceremony().establish(site.clock())
    old = fresh_token(site)
    assert sorted(key["alg"] for key in key_set(site)) == ["ES256", "RS256", "RS256"]
    site.clock.advance(seconds=330)
    site.run.telemetry.publish(site.run.ceremony().maintain(site.clock()))
    site.run.keystore.forget()
    assert header(fresh_token(site))["alg"] == "ES256"
    assert verifies(site, old)


@pytest.mark.clause("rfc7517-9.2-01", "rfc7517-7-01", "rfc7518-6.2.2-01", "rfc7517-4.1-01")
@pytest.mark.clause("rfc7517-4.2-01", "rfc7517-4.4-01", "rfc7517-4.3-03", "rfc8414-2-06")
@pytest.mark.clause("rfc7517-4-01", "rfc7517-5-02", "rfc9068-4-01")
def test_a_key_has_its_public_members_and_no_other(any_site):
    for key in key_set(any_site):
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
        assert PRIVATE.isdisjoint(key)
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    text = any_site.http.get(PATH).text
    assert text.count('"kid"') == text.count('"n"') == len(key_set(any_site))


@pytest.mark.clause("rfc7518-2-01", "rfc7518-3.3-01", "rfc7517-9.3-01")
def test_a_key_has_2048_bits_in_as_few_octets_as_can_be(site):
    for key in key_set(site):
        modulus, exponent = unbase64url(key["n"]), unbase64url(key["e"])
        assert len(modulus) == 256
        assert modulus[0] >= 0x80
        assert exponent == b"\x01\x00\x01"


@pytest.mark.clause("rfc7638-3-01", "rfc7638-3.3-01", "rfc7638-3.5-01", "rfc7638-7-01")
@pytest.mark.clause("rfc7517-4.5-01")
def test_a_kid_is_the_thumbprint_computed_by_hand(site):
    for key in key_set(site):
        members = f'{{"e":"{key["e"]}","kty":"RSA","n":"{key["n"]}"}}'
        assert key["kid"] == base64url(hashlib.sha256(members.encode("ascii")).digest())
    assert len(set(kids(site))) == len(kids(site))


def test_the_next_key_is_published_before_it_signs(site):
    signing = header(fresh_token(site))["kid"]
    assert len(kids(site)) == 2
    assert signing in kids(site)


@pytest.mark.parametrize("match", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_who_has_the_set_already_gets_304(site, match):
    first = site.http.get(PATH)
    etag = first.headers["ETag"]
    again = site.http.get(PATH, headers={"If-None-Match": match.format(etag=etag)})
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == etag
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert again.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("match", ['"other"', "x", "", 'W/"other"'])
def test_who_has_another_set_gets_this_one(site, match):
    answer = site.http.get(PATH, headers={"If-None-Match": match})
    assert answer.status_code == 200
    assert answer.json["keys"]


def test_the_set_is_the_same_on_every_host(make_any_site):
    first, second = (make_any_site().http.get(PATH) for _ in range(2))
    assert first.data == second.data
    assert first.headers["ETag"] == second.headers["ETag"]


@pytest.mark.clause("rfc7517-4.5-01", "rfc7515-6-01", "rfc8414-2-04")
def test_after_a_rotation_new_tokens_have_the_new_kid_and_old_ones_verify(any_site):
    before, old = kids(any_site), fresh_token(any_site)
    etag = any_site.http.get(PATH).headers["ETag"]
    rotate(any_site)
    new = fresh_token(any_site)
    assert header(new)["kid"] != header(old)["kid"]
    assert header(new)["kid"] in before
    assert set(before) < set(kids(any_site))
    assert any_site.http.get(PATH, headers={"If-None-Match": etag}).status_code == 200
    assert verifies(any_site, old)
    assert verifies(any_site, new)


def test_a_rotation_does_not_touch_sessions_or_tokens(any_site):
    any_site.user()
    client = any_site.client()
    answer = any_site.sign_in(client)
    rotate(any_site)
    assert any_site.introspect(client, answer["access_token"])["active"] is True
    refreshed = any_site.refresh(client, answer["refresh_token"]).json
    assert claims(refreshed["access_token"])["sid"] == claims(answer["access_token"])["sid"]


def test_a_superseded_key_stays_until_its_last_token_has_expired(site):
    old = fresh_token(site)
    rotate(site)
    last = claims(old)["exp"] * 1000
    site.clock.now = last + 5_000
    assert verifies(site, old)
    site.clock.advance(seconds=MARGIN)
    assert not verifies(site, old)
    assert header(old)["kid"] not in kids(site)


def test_no_key_file_name_or_private_number_appears_in_any_public_document(site):
    directory = site.run.keystore.directory
    numbers = directory.load_key(site.run.signer().kid).private_numbers()
    secrets = {
        base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
        for number in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    }
    for path in (PATH, "/.well-known/oauth-authorization-server", "/", "/healthz", "/readyz"):
        body = site.http.get(path).text
        assert not any(secret in body for secret in secrets)
        assert "PRIVATE" not in body
    assert json.loads(site.http.get(PATH).text)
