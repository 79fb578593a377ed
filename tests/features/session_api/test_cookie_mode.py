"""Cookie mode: no script sees a refresh token, and nobody else's page makes use of the cookie."""

import pytest
from werkzeug.http import parse_cookie

from tests.features.session_api.conftest import APP, COOKIE, IN_BROWSER, App, own_client, problem
from tests.protocol.expect import everything
from tests.site import ISSUER, PASSWORD

DAY = 86_400
HALF_A_WINDOW = 30


def attributes(answer) -> dict[str, str | bool]:
    """Of the one cookie of an answer, by lower-case name."""
    (header,) = answer.headers.getlist("Set-Cookie")
    pair, *rest = (part.strip() for part in header.split(";"))
    found: dict[str, str | bool] = {"name": pair.partition("=")[0]}
    for part in rest:
        name, _, value = part.partition("=")
        found[name.lower()] = value or True
    found.pop("expires", None)  # the same for old browsers, by the system's clock
    return found


FLAGS = {"name": COOKIE, "httponly": True, "secure": True, "samesite": "Lax", "path": "/"}


@pytest.mark.clause("draft-browser-based-apps-6.3.2.3-02", "asvs5-v7-7.3.2-01")
def test_a_login_puts_the_token_into_a_cookie_and_nowhere_else(page):
    answer = page.login()
    assert answer.status_code == 200
    assert attributes(answer) == FLAGS, "ends with the browser"
    assert page.cookie.startswith("prn_rt_")
    assert "refresh_token" not in answer.json
    assert "prn_rt_" not in answer.text
    assert answer.json["authorization_expires_in"] == 43_200
    assert answer.json["session"]["authorization_expires_in"] == 43_200


def test_remember_me_lasts_to_the_absolute_end(page):
    answer = page.login(remember_me=True)
    assert attributes(answer) == {**FLAGS, "max-age": str(90 * DAY)}
    assert answer.json["session"]["remember_me"] is True
    page.site.clock.advance(seconds=DAY)
    assert attributes(page.refresh()) == {**FLAGS, "max-age": str(89 * DAY)}


def test_the_lifetimes_of_browser_sessions_are_settings(make_any_site):
    site = make_any_site(browser_session_ttl=100, remember_me_ttl=200, session_ttl=300)
    site.user()
    client = own_client(site)
    page, phone = App(site, client, **IN_BROWSER), App(site, client)
    assert page.logged_in()["authorization_expires_in"] == 100
    assert page.logged_in(remember_me=True)["authorization_expires_in"] == 200
    assert phone.logged_in(remember_me=True)["authorization_expires_in"] == 300
    site.clock.advance(seconds=200)
    problem(page.refresh(), "session_expired", 401)


@pytest.mark.parametrize("members", [{}, {"client_id": None}])
def test_a_refresh_renews_the_cookie(page, members):
    named = {"client_id": page.client_id} if members else {}
    page.login()
    first = page.cookie
    page.site.clock.advance(seconds=HALF_A_WINDOW)
    answer = page.refresh(**named)
    assert answer.status_code == 200
    assert attributes(answer) == FLAGS
    assert page.cookie != first
    assert "prn_rt_" not in answer.text
    assert page.get("session", answer.json["access_token"]).status_code == 200


def test_a_refresh_needs_no_body_at_all(page):
    page.login()
    assert page.http.post("/api/v1/auth/refresh-token", headers=IN_BROWSER).status_code == 200


def test_reloading_rotates_once_in_half_a_window(page):
    page.login()
    seen = {page.cookie}
    page.refresh()
    for _ in range(HALF_A_WINDOW):
        seen.add(page.cookie)
        assert page.refresh().status_code == 200
        page.site.clock.advance(seconds=1)
    assert len(seen) == 2
    page.refresh()
    assert page.cookie not in seen


def test_an_issuer_on_plain_http_gets_a_plain_cookie(make_any_site):
    site = make_any_site(env="development", issuer="http://127.0.0.1:8000")
    site.user()
    origin = "http://127.0.0.1:8000"
    page = App(site, own_client(site), **{**IN_BROWSER, "Origin": origin})
    answer = page.login()
    plain = {"name": "perennial_rt", "httponly": True, "samesite": "Lax", "path": "/"}
    assert attributes(answer) == plain
    assert page.refresh().status_code == 200


def gone(answer) -> bool:
    """Whether the answer deletes the cookie."""
    return attributes(answer).items() >= {**FLAGS, "max-age": "0"}.items()


@pytest.mark.clause("asvs5-v7-7.4.1-01")
def test_a_logout_ends_the_session_and_deletes_the_cookie(page):
    page.login()
    token = page.cookie
    answer = page.post("logout")
    assert (answer.status_code, gone(answer)) == (204, True)
    assert page.cookie is None
    page.cookie = token
    problem(page.refresh(), "session_ended", 401)
    assert gone(page.post("logout")), "of an ended session too"
    page.cookie = "nonsense"
    assert gone(page.post("logout"))
    assert page.post("logout").status_code == 204, "without a cookie too"


def test_logging_out_everywhere_with_the_cookie(page):
    other = App(page.site, page.client, **IN_BROWSER)
    other.login()
    page.login()
    answer = page.post("logout", everywhere=True)
    assert (answer.status_code, gone(answer)) == (204, True)
    problem(other.refresh(), "session_ended", 401)
    refused = other.post("logout", everywhere=True)
    problem(refused, "bad_credentials", 401)
    assert "Set-Cookie" not in refused.headers


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda page: page.site.clock.advance(seconds=43_200), "session_expired"),
        (lambda page: setattr(page, "cookie", "nonsense"), "bad_credentials"),
        (lambda page: setattr(page, "cookie", "prn_rt_" + "0" * 64), "bad_credentials"),
        (lambda page: setattr(page, "cookie", ""), "bad_credentials"),
    ],
)
def test_a_refused_refresh_leaves_the_cookie_alone(page, spoil, reason):
    page.login()
    spoil(page)
    answer = page.refresh()
    problem(answer, reason, 401)
    assert "Set-Cookie" not in answer.headers


def test_a_refresh_that_finds_a_reused_token_leaves_the_cookie_alone(page):
    page.login()
    first = page.cookie
    page.refresh()
    page.site.clock.advance(seconds=61)
    page.cookie = first
    answer = page.refresh()
    problem(answer, "session_reused", 401)
    assert "Set-Cookie" not in answer.headers


# --- the channels never mix -----------------------------------------------------------------------


def test_a_token_of_one_channel_is_unknown_on_the_other_and_nothing_changes(page):
    site = page.site
    phone = App(site, page.client)
    in_body = phone.logged_in()["refresh_token"]
    page.login()
    in_cookie = page.cookie
    before = everything(site)
    problem(phone.refresh(in_cookie), "bad_credentials", 401)
    assert site.refresh(page.client, in_cookie).json["error"] == "invalid_grant"
    assert phone.post("logout", refresh_token=in_cookie).status_code == 204
    page.cookie = in_body
    problem(page.refresh(), "bad_credentials", 401)
    assert page.post("logout").status_code == 204
    for app, token in ((phone, in_cookie), (page, in_body)):
        app.cookie = token
        members = {} if app is page else {"refresh_token": token}
        answer = app.post("logout", everywhere=True, **members)
        problem(answer, "bad_credentials", 401)
    assert everything(site) == before
    page.cookie = in_cookie
    assert page.refresh().status_code == 200
    assert phone.refresh(in_body).status_code == 200


@pytest.mark.parametrize("call", ["login", "refresh-token", "logout"])
def test_in_cookie_mode_a_body_holds_no_refresh_token(page, call):
    page.login()
    before = everything(page.site)
    asked = {"username": "alice", "password": PASSWORD, "client_id": page.client_id}
    answer = page.post(call, **asked, refresh_token=page.cookie)
    problem(answer, "invalid_request", 400)
    assert everything(page.site) == before


def test_without_cookie_mode_the_cookie_is_not_looked_at(page):
    page.login()
    before = everything(page.site)
    plain = {**IN_BROWSER, "X-Session-Mode": "body"}
    for call in ("refresh-token", "logout"):
        answer = page.http.post(f"/api/v1/auth/{call}", json={}, headers=plain)
        problem(answer, "invalid_request", 400)
    assert everything(page.site) == before
    unknown = {**IN_BROWSER, "X-Session-Mode": "Cookies"}
    problem(page.post("refresh-token", unknown), "invalid_request", 400)


def test_explain_judges_a_token_on_the_channel_it_belongs_to(page):
    page.login()
    with page.site.app.app_context():
        result = page.site.app.test_cli_runner().invoke(args=["explain", "-"], input=page.cookie)
    assert result.exit_code == 0, result.output


# --- requests that others make the browser send ---------------------------------------------------


def sent(page, call, headers, **request):
    return page.http.post(f"/api/v1/auth/{call}", headers=headers, **request)


def without(name):
    return {key: value for key, value in IN_BROWSER.items() if key != name}


CALLS = ["login", "refresh-token", "logout"]
FORM_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
FORGED = {
    "no origin": without("Origin"),
    "foreign origin": {**IN_BROWSER, "Origin": "https://evil.example"},
    "null origin": {**IN_BROWSER, "Origin": "null"},
    "origin of an other port": {**IN_BROWSER, "Origin": ISSUER + ":8443"},
    "origin with a tail": {**IN_BROWSER, "Origin": APP + ".evil.example"},
    "plain origin": {**IN_BROWSER, "Origin": APP.replace("https", "http")},
    "another client's origin": {**IN_BROWSER, "Origin": "https://other.example.com"},
    "not requested with": without("X-Requested-With"),
    "requested with another": {**IN_BROWSER, "X-Requested-With": "XMLHttpRequest"},
}


@pytest.mark.clause("rfc6750-5.3-03")
@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_forged_request_is_refused_and_changes_nothing(page, headers):
    page.login()
    own_client(page.site, origins=("https://other.example.com",))
    cookie, before = page.cookie, everything(page.site)
    asked = {"username": "alice", "password": PASSWORD, "client_id": page.client_id}
    for call in CALLS:
        answer = sent(page, call, headers, json=asked if call == "login" else {})
        problem(answer, "csrf", 403)
        assert "Set-Cookie" not in answer.headers
        assert (page.cookie, everything(page.site)) == (cookie, before), call


@pytest.mark.clause("rfc6750-5.3-03")
@pytest.mark.parametrize("headers", [{}, IN_BROWSER], ids=["bare", "with every header"])
def test_what_a_form_can_send_is_refused_and_changes_nothing(page, headers):
    page.login()
    cookie, before = page.cookie, everything(page.site)
    for call in CALLS:
        for content_type in FORM_TYPES:
            body = {"data": b'{"everywhere":true}', "content_type": content_type}
            problem(sent(page, call, headers, **body), "csrf", 403)
            assert (page.cookie, everything(page.site)) == (cookie, before), call


def test_the_origins_of_the_client_may_use_its_cookie(page):
    """The issuer's own and each that was registered, the foreign ones only for their client."""
    other = own_client(page.site, origins=("https://other.example.com",))
    page.headers["Origin"] = APP
    page.login()
    assert page.refresh().status_code == 200
    page.headers["Origin"] = "https://other.example.com"
    problem(page.refresh(client_id=other.client.client_id), "bad_credentials", 401)
    problem(page.refresh(), "csrf", 403)
    page.headers["Origin"] = ISSUER
    assert page.refresh().status_code == 200


def test_a_browser_does_not_write_the_port_that_goes_without_saying(make_site):
    site = make_site(issuer="https://id.example.com:443")
    site.user()
    page = App(site, own_client(site), **{**IN_BROWSER, "Origin": "https://id.example.com"})
    assert page.login().status_code == 200
    assert parse_cookie(f"{COOKIE}={page.cookie}")
