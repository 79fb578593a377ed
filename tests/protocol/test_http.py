"""What surrounds every request: methods, paths, redirects, outages."""

import shutil

import pytest

from tests.protocol.expect import ENDPOINTS, FORM, TOKEN, UNREACHABLE, never_cached, refused
from tests.site import Site

DOCUMENTS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/healthz",
    "/readyz",
    "/errors",
    "/",
)


@pytest.mark.clause("rfc6749-3.2-04", "rfc7009-2-03", "rfc7009-2.3-02", "rfc7662-2.1-01")
@pytest.mark.clause("rfc7662-4-11")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_token_endpoints_serve_post_only_and_say_so(standing, method):
    for path in ENDPOINTS:
        answer = standing.http.open(path, method=method, query_string="callback=x&token=x")
        assert answer.status_code == 405
        assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
        never_cached(answer)
        if method != "HEAD":
            refused(answer, "invalid_request", status=405)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_and_pages_are_read_only(standing, path):
    for method in ("POST", "PUT", "DELETE"):
        answer = standing.http.open(path, method=method)
        refused(answer, "invalid_request", status=405)
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize(
    "path", ["/", "/.well-known/jwks.json", "/sign-in", "/api/v1/auth/session", "/nowhere", TOKEN]
)
def test_a_body_over_64_kib_is_too_large_wherever_it_goes(standing, method, path):
    answer = standing.http.open(path, method=method, data=b"x" * 65_537)
    assert answer.status_code == 413
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.clause("rfc8414-3.2-03")
@pytest.mark.parametrize(
    "path",
    [
        "/oauth",
        "/oauth/token/",
        "/oauth/Token",
        "/oauth/token%00",
        "/oauth/token;x=1",
        "/oauth/authorize/",
        "/.well-known/oauth-authorization-server/tenant",
        "/.well-known/openid-configuration/",
        "/tenant/.well-known/openid-configuration",
        "/.well-known/",
        "/static/x",
        "/%ff",
    ],
)
def test_what_is_not_served_is_404_in_json(standing, path):
    refused(standing.http.get(path), "invalid_request", status=404)


@pytest.mark.clause("rfc9700-4.12-01", "rfc9700-2.1-05", "rfc9700-2.1-02")
@pytest.mark.parametrize(
    "path", ["/oauth//token", "//oauth/token", "/oauth/./token", "/oauth/token/"]
)
def test_a_request_with_credentials_is_never_redirected(standing, path):
    answer = standing.http.post(
        path,
        data="grant_type=password&username=alice&password=secret",
        content_type=FORM,
        headers={"Host": "elsewhere.example"},
    )
    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("path", [*ENDPOINTS, *DOCUMENTS[:3], "/", "/nothing"])
def test_every_answer_has_its_id_and_may_not_be_sniffed(standing, path):
    answer = standing.http.get(path, headers={"X-Request-ID": "chosen-by-a-stranger"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"] not in {"", "chosen-by-a-stranger"}


def test_a_trusted_proxy_may_name_the_request(make_site):
    site = make_site(trusted_proxies=1)
    answer = site.http.get("/healthz", headers={"X-Request-ID": "from-the-proxy-1"})
    assert answer.headers["X-Request-ID"] == "from-the-proxy-1"
    for odd in ("short", "x" * 65, "with space", 'quote"quote', "new\tline-x"):
        answer = site.http.get("/healthz", headers={"X-Request-ID": odd})
        assert answer.headers["X-Request-ID"] != odd


@pytest.mark.clause("rfc7009-2.2.1-04")
@pytest.mark.parametrize("url", UNREACHABLE)
def test_without_a_database_the_answer_is_try_again_never_invalid_grant(tmp_path, url):
    site = Site(url.format(directory=tmp_path), tmp_path / "keys")
    for path in (*ENDPOINTS, "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"):
        form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x", "client_id": "x"}
        answer = site.post(path, form) if path in ENDPOINTS else site.http.get(path)
        refused(answer, "temporarily_unavailable", status=503)
        assert int(answer.headers["Retry-After"]) >= 1
    members = {"refresh_token": "prn_rt_" + "0" * 64, "client_id": "x", "everywhere": False}
    for call in ("login", "refresh-token"):
        person = {"username": "alice", "password": "x"} if call == "login" else {}
        answer = site.http.post(f"/api/v1/auth/{call}", json={**members, **person})
        assert (answer.status_code, answer.json["reason"]) == (503, "busy")
        assert answer.mimetype == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
        never_cached(answer)
    site.close()


def test_without_its_keys_the_server_asks_to_come_again_and_consumes_nothing(make_site):
    site = make_site()
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    keys = site.run.keystore.directory.path
    kept = shutil.move(keys, keys.with_name("kept"))
    restarted = make_site()
    answer = restarted.refresh(client, token)
    refused(answer, "temporarily_unavailable", status=503)
    assert int(answer.headers["Retry-After"]) >= 1
    shutil.move(kept, keys)
    assert make_site().refresh(client, token).status_code == 200


@pytest.mark.clause("rfc9700-4.13-01")
def test_headers_of_a_proxy_are_not_believed_from_a_stranger(standing):
    """Nothing that a caller puts into forwarding headers changes what the server says of itself."""
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/evil",
        "X-Original-URL": "/evil",
        "Forwarded": "host=evil.example",
    }
    for path in DOCUMENTS[:3]:
        assert standing.http.get(path, headers=forged).data == standing.http.get(path).data
    answer = standing.http.get(TOKEN, headers=forged)
    assert answer.json["error_uri"].startswith("https://id.example.com/errors#")


def test_a_defect_behind_the_answer_is_called_a_server_error_like_any_other(make_site, capsys):
    """Flask hands over what fails once there is an answer as an HTTP error of its own."""
    site = make_site()

    def fail(answer):
        raise RuntimeError("a defect")

    site.app.after_request(fail)
    answer = site.http.get("/api/v1/auth/session")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "reason" not in answer.json
    assert answer.json["type"].endswith("/errors#server_error")
    assert "a defect" not in answer.text
    answer = site.http.get("/healthz")
    assert (answer.status_code, answer.json["error"]) == (500, "server_error")
    assert "unexpected_error" in capsys.readouterr().err
