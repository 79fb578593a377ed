"""Cross-origin access: public documents for all, token requests for registered origins."""

import pytest

from app.features.clients import use_case as clients
from tests.protocol.expect import REVOKE, TOKEN

APP = "https://app.example.com"
DOCUMENTS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/oauth/status/0000000000000001",
)
FOR_REGISTERED = (TOKEN, REVOKE, "/oauth/device_authorization")
FOR_NOBODY = (
    "/oauth/introspect",
    "/oauth/authorize",
    "/oauth/register",
    "/",
    "/errors",
    "/healthz",
)
ALLOWED = {
    "authorization",
    "content-type",
    "dpop",
    "idempotency-key",
    "x-requested-with",
    "x-session-mode",
}
EXPOSED = {"retry-after", "date", "dpop-nonce", "www-authenticate"}


@pytest.fixture
def page(site):
    """A browser application with a registered origin."""
    return site.client("refresh_token", public=True, origins=(APP,))


def preflight(site, path, origin, method="POST"):
    return site.http.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type,dpop",
        },
    )


def names(answer, header) -> set[str]:
    return {name.strip().lower() for name in answer.headers[header].split(",")}


def shared(answer) -> set[str]:
    return {name for name, _ in answer.headers if name.startswith("Access-Control-")}


@pytest.mark.clause("rfc9700-2.6-07", "rfc7009-2.3-01")
@pytest.mark.parametrize("path", FOR_REGISTERED)
def test_a_registered_origin_may_ask(site, page, path):
    answer = preflight(site, path, APP)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert names(answer, "Access-Control-Allow-Methods") == {"post"}
    assert names(answer, "Access-Control-Allow-Headers") == ALLOWED
    assert names(answer, "Access-Control-Expose-Headers") == EXPOSED
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


OWN_API = [
    ("POST", "login"),
    ("POST", "refresh-token"),
    ("POST", "logout"),
    ("GET", "session"),
    ("GET", "sessions"),
    ("DELETE", "sessions/0"),
]


@pytest.mark.clause("draft-browser-based-apps-6.3.3.4-01")
@pytest.mark.parametrize(("method", "call"), OWN_API)
def test_a_registered_origin_may_ask_the_owners_api_with_credentials(site, page, method, call):
    path = f"/api/v1/auth/{call}"
    asked = preflight(site, path, APP, method)
    assert asked.status_code == 204
    assert names(asked, "Access-Control-Allow-Methods") >= {method.lower()}
    assert names(asked, "Access-Control-Allow-Headers") == ALLOWED
    for answer in (asked, site.http.open(path, method=method, headers={"Origin": APP})):
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert names(answer, "Access-Control-Expose-Headers") == EXPOSED
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*", f"{APP}.evil.example"])
@pytest.mark.parametrize(("method", "call"), OWN_API)
def test_any_other_origin_gets_no_header_of_the_owners_api(site, page, method, call, origin):
    path = f"/api/v1/auth/{call}"
    assert shared(preflight(site, path, origin, method)) == set()
    sent = site.http.open(path, method=method, headers={"Origin": origin})
    assert shared(sent) == set()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://app.example.com/",
        "https://APP.example.com",
        "https://sub.app.example.com",
        f"{APP} {APP}",
        f"{APP},{APP}",
        "null",
        "",
        "*",
        "https://caf\xe9.example",
    ],
)
def test_any_other_origin_gets_no_header(site, page, origin):
    for path in FOR_REGISTERED:
        asked = preflight(site, path, origin)
        sent = site.http.post(path, data="token=x", headers={"Origin": origin})
        for answer in (asked, sent):
            assert shared(answer) == set()
            assert "Origin" in answer.headers["Vary"]


@pytest.mark.clause("rfc9700-2.6-07")
@pytest.mark.parametrize("path", [TOKEN, REVOKE])
def test_a_registered_origin_can_read_every_answer(site, page, path):
    asked = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    for answer in (
        site.post(path, asked, page, {"Origin": APP}),
        site.post(path, {}, None, {"Origin": APP}),
        site.http.get(path, headers={"Origin": APP}),
        site.http.post(path, data=b"x" * 70_000, headers={"Origin": APP}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert names(answer, "Access-Control-Expose-Headers") == EXPOSED
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_answer_to_a_request_without_an_origin_shares_nothing(site, page):
    assert shared(site.post(TOKEN, {})) == set()


@pytest.mark.clause("rfc9700-2.6-07", "draft-status-list-8.1-01")
@pytest.mark.parametrize("path", DOCUMENTS)
def test_public_documents_are_for_any_origin_without_credentials(site, page, path):
    answers = [site.http.get(path)]
    for origin in ("https://anybody.example", "null", APP):
        asked = preflight(site, path, origin, method="GET")
        assert asked.status_code == 204
        assert names(asked, "Access-Control-Allow-Methods") == {"get"}
        assert names(asked, "Access-Control-Allow-Headers") == ALLOWED
        answers += [asked, site.http.get(path, headers={"Origin": origin})]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_appended_name_of_an_issuer_with_a_path_is_for_any_origin_too(make_site):
    site = make_site(issuer="https://id.example.com/tenant")
    for path in (
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/tenant",
        "/tenant/.well-known/openid-configuration",
    ):
        answer = site.http.get(path, headers={"Origin": "https://anybody.example"})
        assert answer.headers.get("Access-Control-Allow-Origin") == "*", path


@pytest.mark.clause("rfc9700-2.6-08")
@pytest.mark.parametrize("path", FOR_NOBODY)
def test_pages_and_introspection_are_for_no_origin(site, page, path):
    for method in ("GET", "POST"):
        assert shared(preflight(site, path, APP, method)) == set()
        answer = site.http.open(path, method=method, headers={"Origin": APP})
        assert shared(answer) == set()


def test_the_origin_of_a_disabled_client_is_forgotten_within_five_seconds(any_site):
    client = any_site.client("refresh_token", public=True, origins=(APP,))
    assert shared(preflight(any_site, TOKEN, APP))
    clients.disable(any_site.run, client.client)
    any_site.clock.advance(seconds=5)
    assert shared(preflight(any_site, TOKEN, APP)) == set()


def test_a_new_origin_counts_at_once(site, page):
    other = "http://localhost:5173"
    assert shared(preflight(site, TOKEN, other)) == set()
    site.client("refresh_token", public=True, origins=(other,))
    assert preflight(site, TOKEN, other).headers["Access-Control-Allow-Origin"] == other


def test_options_that_is_no_preflight_names_the_methods(site):
    answer = site.http.options(TOKEN)
    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
