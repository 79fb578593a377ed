"""The metadata document says what is true: only what is on, under both names, for one issuer."""

from urllib.parse import urlsplit

import pytest

from app.core.device import GRANT
from app.features.clients import use_case as clients
from tests.site import ISSUER

RFC8414 = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
WITH_PATH = "https://id.example.com/tenant/one"


def document(site, path=RFC8414):
    answer = site.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


@pytest.mark.clause("rfc8414-3-01", "rfc8414-3.1-01", "rfc8414-3.2-01", "rfc9700-2.6-01")
def test_the_document_is_json_for_everybody_and_may_be_cached_as_long_as_the_keys(make_site):
    answer = make_site(jwks_max_age=77).http.get(RFC8414)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=77"
    assert isinstance(answer.json, dict)


@pytest.mark.clause("rfc8414-2-01", "rfc8414-3.3-01", "rfc7519-2-01", "rfc7519-4.1.1-01")
@pytest.mark.parametrize("issuer", [ISSUER, "https://id.example.com:8443", WITH_PATH])
def test_the_issuer_is_the_configured_one_octet_for_octet(make_site, issuer):
    site = make_site(issuer=issuer)
    assert document(site, RFC8414 + urlsplit(issuer).path)["issuer"] == issuer


@pytest.mark.clause("rfc8414-3-03", "rfc8414-5-01", "rfc9068-4-03")
def test_both_names_give_the_same_octets(site):
    site.client(scope="read")
    assert site.http.get(RFC8414).data == site.http.get(OPENID).data


@pytest.mark.clause("rfc8414-3-01", "rfc8414-3.1-02", "rfc8414-3.2-03", "rfc8414-3.3-01")
def test_an_issuer_with_a_path_is_found_by_inserting_and_by_appending(make_site):
    site = make_site(issuer=WITH_PATH)
    places = [RFC8414 + "/tenant/one", OPENID + "/tenant/one", "/tenant/one" + OPENID]
    first = document(site, places[0])
    assert first["issuer"] == WITH_PATH
    assert first["token_endpoint"] == f"{WITH_PATH}/oauth/token"
    assert all(document(site, place) == first for place in places)
    for foreign in (RFC8414 + "/tenant", RFC8414 + "/tenant/two", RFC8414 + "/tenant/one/"):
        assert site.http.get(foreign).status_code == 404


@pytest.mark.clause("rfc8414-2-04", "rfc8414-2-19", "rfc8414-2-22")
def test_behind_a_proxy_that_takes_the_path_away_every_address_is_served(make_site):
    site = make_site(issuer=WITH_PATH)
    for address in addresses(document(site, RFC8414 + "/tenant/one")):
        assert address.startswith(WITH_PATH + "/")
        path = address.removeprefix(WITH_PATH)
        assert site.http.get(path, base_url=WITH_PATH).status_code in {200, 400, 405}


@pytest.mark.clause("rfc8414-2-03", "rfc8414-2-04", "rfc8414-2-05", "rfc8414-2-19", "rfc8414-2-22")
@pytest.mark.clause("rfc7009-2-04", "rfc7009-2-07", "rfc6749-3.2-02", "draft-oauth-v2-1-1.5-01")
def test_every_address_is_https_below_the_issuer_and_served(site):
    found = addresses(document(site))
    assert {address.removeprefix(ISSUER) for address in found} == {
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/authorize",
        "/oauth/par",
        "/oauth/device_authorization",
        "/.well-known/jwks.json",
    }
    for address in found:
        assert site.http.get(address.removeprefix(ISSUER)).status_code in {200, 400, 405}


def addresses(metadata) -> list[str]:
    return [
        value
        for name, value in metadata.items()
        if name.endswith("_endpoint") or name == "jwks_uri"
    ]


@pytest.mark.clause("rfc8414-2-11", "rfc9700-2.4-01", "draft-oauth-v2-1-3.2.2-02")
def test_the_password_grant_is_announced_only_while_a_client_may_use_it(site):
    def announced():
        return set(document(site)["grant_types_supported"])

    always = {"refresh_token", "client_credentials", "authorization_code", GRANT}
    assert announced() == always
    client = site.client("password")
    assert announced() == {"password", *always}
    clients.disable(site.run, client.client)
    assert announced() == always


@pytest.mark.clause("rfc8414-2-11", "asvs5-v10-10.4.4-02", "draft-oauth-v2-1-3.2.2-01")
def test_a_password_grant_that_is_off_is_not_announced(make_site):
    site = make_site(password_grant="off")
    site.client("password")
    assert "password" not in document(site)["grant_types_supported"]


@pytest.mark.clause("rfc8414-2-12", "rfc8414-2-20", "rfc8414-2-23")
def test_the_authentication_methods_are_those_that_work(site):
    found = document(site)
    by_secret = {"client_secret_basic", "client_secret_post"}
    assert set(found["token_endpoint_auth_methods_supported"]) == {"none", *by_secret}
    assert set(found["revocation_endpoint_auth_methods_supported"]) == {"none", *by_secret}
    assert set(found["introspection_endpoint_auth_methods_supported"]) == by_secret


@pytest.mark.clause("rfc8414-2-08", "rfc8414-3.2-02")
def test_scopes_are_those_that_an_enabled_client_may_get_and_an_empty_list_is_left_out(site):
    assert "scopes_supported" not in document(site)
    site.client(scope="b a")
    other = site.client(scope="c a")
    assert document(site)["scopes_supported"] == ["a", "b", "c"]
    clients.disable(site.run, other.client)
    assert document(site)["scopes_supported"] == ["a", "b"]


@pytest.mark.clause("rfc8414-3.2-02", "rfc8414-2-07", "rfc8414-2-26")
def test_nothing_is_announced_that_is_not_there(site):
    site.client()
    found = document(site)
    absent = {"request_parameter_supported", "request_uri_parameter_supported"}
    assert set(found) == {
        "issuer",
        "token_endpoint",
        "token_endpoint_auth_methods_supported",
        "scopes_supported",
        "grant_types_supported",
        "refresh_token_expiration_types_supported",
        "refresh_token_replay_supported",
        "revocation_endpoint",
        "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint",
        "introspection_endpoint_auth_methods_supported",
        "jwks_uri",
        "authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "response_types_supported",
        "response_modes_supported",
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
        "prompt_values_supported",
        *absent,
    }
    assert all(found.pop(name) is False for name in absent)
    assert all(found.values())
    assert all(len(set(value)) == len(value) for value in found.values() if isinstance(value, list))


@pytest.mark.clause("draft-rt-expiration-7-01", "draft-rt-expiration-7-02")
def test_the_kinds_of_expiry_are_announced(site):
    kinds = document(site)["refresh_token_expiration_types_supported"]
    assert set(kinds) == {"authorization", "token_timeout"}


@pytest.mark.parametrize(("grace", "repeats"), [(10, True), (0, None)])
def test_clients_are_told_whether_a_lost_refresh_may_be_repeated(make_site, grace, repeats):
    said = document(make_site(reuse_grace=grace))
    assert said.get("refresh_token_replay_supported") is repeats
