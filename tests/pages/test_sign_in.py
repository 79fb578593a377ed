"""Signing in on the pages: the cookie, how long it lasts, what ends it, and the failures it shares."""

from urllib.parse import urlsplit

import pytest

from app.core.sessions import EndReason
from app.features.users import use_case as users
from app.protocol.sign_out import end_everything
from tests.pages.account import SESSIONS
from tests.person import CONSENT, SIGN_IN, SIGN_OUT, Page, Person, exchange, web_app
from tests.protocol.expect import claims, everything
from tests.site import ISSUER, PASSWORD, Site

HOUR, DAY = 3600, 86_400


def signed_in(person) -> bool:
    return "Signed in" in Page(person.get(SIGN_IN).text).text


def cookies(answer) -> dict[str, str]:
    found = answer.headers.getlist("Set-Cookie")
    return {line.partition("=")[0]: line.partition("=")[2].partition("; ")[2] for line in found}


@pytest.mark.clause(
    "asvs5-v7-7.2.1-01", "asvs5-v7-7.2.2-01", "asvs5-v7-7.2.3-01", "asvs5-v7-7.4.4-01"
)
def test_a_person_may_sign_in_for_their_own_sake(any_site):
    any_site.user()
    alice = Person(any_site)
    answer = alice.sign_in()
    assert (answer.status_code, answer.location) == (303, ISSUER + SIGN_IN)
    assert cookies(answer) == {"__Host-perennial_session": "Secure; HttpOnly; Path=/; SameSite=Lax"}
    page = Page(alice.get(SIGN_IN).text)
    assert "You are signed in as alice." in page.text
    assert page.action == ISSUER + SIGN_OUT
    assert len(alice.cookie("perennial_session") or "") == 43


def test_only_who_wants_to_be_remembered_is_after_the_browser_was_closed(site):
    site.user()
    alice = Person(site)
    remembered = cookies(alice.sign_in(remember_me="yes"))["__Host-perennial_session"]
    assert "Max-Age=7776000; " in remembered
    assert "Max-Age" not in cookies(Person(site).sign_in())["__Host-perennial_session"]


@pytest.mark.parametrize("issuer", ["https://id.example.com:443", "https://id.example.com:443/one"])
def test_a_browser_does_not_write_the_port_that_goes_without_saying(make_site, issuer):
    site = make_site(issuer=issuer)
    site.user()
    alice = Person(site)
    form = {**Page(alice.get(SIGN_IN).text).fields, "username": "alice", "password": PASSWORD}
    answer = alice.post(SIGN_IN, form, headers={"Origin": "https://id.example.com"})
    assert answer.status_code == 303
    for other in (
        "https://id.example.com:8443",
        "https://id.example.co",
        "https://id.example.com:44",
    ):
        assert alice.post(SIGN_IN, form, headers={"Origin": other}).status_code == 403


def test_in_development_over_plain_http_the_cookie_has_neither_prefix_nor_secure(make_site):
    site = make_site(env="development", issuer="http://127.0.0.1:8000")
    site.user()
    browser = site.app.test_client()
    page = Page(browser.get(SIGN_IN, base_url="http://127.0.0.1:8000").text)
    form = {**page.fields, "username": "alice", "password": PASSWORD}
    answer = browser.post(SIGN_IN, data=form, base_url="http://127.0.0.1:8000")
    assert cookies(answer) == {"perennial_session": "HttpOnly; Path=/; SameSite=Lax"}
    assert "Strict-Transport-Security" not in browser.get(SIGN_IN).headers


@pytest.mark.clause("asvs5-v7-7.3.2-01", "asvs5-v7-7.3.1-01", "asvs5-v7-7.4.1-01")
@pytest.mark.parametrize(
    ("remember", "absolute"), [({}, 12 * HOUR), ({"remember_me": "yes"}, 90 * DAY)]
)
def test_a_session_of_the_browser_ends_in_any_case(any_site, remember, absolute):
    any_site.user()
    alice = Person(any_site)
    alice.sign_in(**remember)
    for _ in range(5):  # in use, so that it does not end for being idle
        any_site.clock.advance(seconds=absolute / 5 - 1)
        assert signed_in(alice)
    any_site.clock.advance(seconds=5)
    assert not signed_in(alice)


@pytest.mark.clause("asvs5-v7-7.3.1-01")
def test_a_remembered_session_ends_when_it_is_not_used_for_a_month(any_site):
    any_site.user()
    alice = Person(any_site)
    alice.sign_in(remember_me="yes")
    any_site.clock.advance(seconds=29 * DAY)
    assert signed_in(alice)
    any_site.clock.advance(seconds=29 * DAY)
    assert signed_in(alice)
    any_site.clock.advance(seconds=30 * DAY)
    assert not signed_in(alice)


def test_being_seen_is_written_once_a_minute_at_most(site):
    site.user()
    alice = Person(site)
    alice.sign_in()
    before = everything(site)
    site.clock.advance(seconds=59)
    alice.get(SIGN_IN)
    assert everything(site) == before
    site.clock.advance(seconds=1)
    alice.get(SIGN_IN)
    assert everything(site) != before


ENDINGS = {
    "a new password": lambda site, user: users.set_password(site.run, user, "another pass phrase"),
    "disabling": lambda site, user: users.disable(site.run, user),
    "log out everywhere": lambda site, user: end_everything(
        site.run, user, EndReason.SIGN_OUT_EVERYWHERE, site.clock()
    ),
}


@pytest.mark.clause("asvs5-v7-7.4.2-01", "asvs5-v7-7.4.3-01", "asvs5-v7-7.4.5-01")
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_all_sessions_ends_those_of_browsers(any_site, ending):
    site = any_site
    user = site.user()
    client, alice = web_app(site), Person(site)
    alice.code(client)
    waiting = alice.ask(client, prompt="consent").location
    form = Page(alice.get(waiting).text).fields
    ENDINGS[ending](site, user)
    assert not signed_in(alice)
    assert alice.post(CONSENT, {**form, "decision": "allow"}).status_code == 403
    assert urlsplit(alice.get(waiting).location).path == SIGN_IN
    if ending == "disabling":
        users.enable(site.run, user)
        assert not signed_in(alice), "sessions from before stay ended"


@pytest.mark.clause("asvs5-v7-7.4.1-01", "asvs5-v7-7.1.3-01")
def test_signing_out_is_for_this_browser(any_site):
    site = any_site
    site.user()
    client, alice, elsewhere = web_app(site), Person(site), Person(site)
    tokens = exchange(site, client, alice.code(client)).json
    elsewhere.sign_in()
    cookie = alice.cookie("perennial_session")
    answer = alice.post(SIGN_OUT, Page(alice.get(SIGN_OUT).text).fields)
    assert answer.status_code == 200
    assert "Max-Age=0" in cookies(answer)["__Host-perennial_session"]
    assert not signed_in(alice)
    alice.browser.set_cookie(
        "__Host-perennial_session", cookie, domain="id.example.com", secure=True
    )
    assert not signed_in(alice), "whoever kept the cookie has nothing"
    assert signed_in(elsewhere)
    assert site.refresh(client, tokens["refresh_token"]).status_code == 200, "the application stays"


def test_every_failure_looks_the_same(any_site):
    site = any_site
    site.user()
    users.disable(site.run, site.user("bob"))
    pages = set()
    for name, password in (
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
        ("bob", "x"),
    ):
        person = Person(site)
        answer = person.sign_in(username=name, password=password)
        assert (answer.status_code, answer.location) == (400, None)
        assert "perennial_session" not in str(answer.headers)
        said = Page(answer.text)
        assert said.fields.pop("csrf")
        assert said.fields.pop("username") == name
        assert said.fields.pop("password") == ""
        pages.add(said.text)
    assert len(pages) == 1
    assert "The user name or the password is wrong." in pages.pop()


@pytest.mark.parametrize("missing", ["username", "password"])
def test_an_empty_field_is_no_attempt(site, missing):
    site.user()
    answer = Person(site).sign_in(**{missing: ""})
    assert (answer.status_code, answer.location) == (400, None)
    assert "Enter your user name and your password." in answer.text


@pytest.mark.clause("rfc6749-4.3.2-04", "rfc6749-10.10-04")
@pytest.mark.parametrize("first", ["the page", "the grant"])
def test_the_page_and_the_password_grant_count_failures_together(any_site, first):
    site = any_site
    site.user()
    client, alice = site.client(), Person(site)
    wrong = {"grant_type": "password", "username": "alice", "password": "wrong"}
    for _ in range(20):
        if first == "the page":
            assert alice.sign_in(password="wrong").status_code == 400
        else:
            assert site.token(client, **wrong).status_code == 400
    assert site.token(client, **{**wrong, "password": PASSWORD}).status_code == 429
    answer = alice.sign_in()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert "Wait 60 seconds" in Page(answer.text).text
    assert not signed_in(alice)
    site.clock.advance(seconds=60)
    assert alice.sign_in().status_code == 303


def test_a_session_knows_which_sign_in_it_came_from(any_site, capsys):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    token = exchange(site, client, alice.code(client)).json["access_token"]
    with site.run.rotations.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT s.public_id, b.public_id FROM sessions s"
            " JOIN browser_sessions b ON b.public_id = s.browser_session_id"
        ).one()
    assert row[0] == claims(token)["sid"]
    log = capsys.readouterr().err
    assert '"event": "browser_signed_in"' in log
    assert row[1] in log


def test_the_form_says_what_its_fields_are(site):
    page = Page(Person(site).get(SIGN_IN).text)
    inputs = {field["id"]: field for field in page.all("input") if "id" in field}
    assert [label["for"] for label in page.all("label")] == ["username", "password", "remember_me"]
    assert list(inputs) == ["username", "password", "remember_me"]
    assert inputs["username"]["autocomplete"] == "username"
    assert inputs["password"]["autocomplete"] == "current-password"
    assert inputs["password"]["type"] == "password"
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert not any("tabindex" in attrs for _, attrs in page.tags)


def test_the_style_sheet_is_served_and_knows_the_dark(site):
    (link,) = Page(Person(site).get(SIGN_IN).text).all("link")
    answer = Person(site).get(link["href"] or "")
    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    assert "prefers-color-scheme: dark" in answer.text
    assert "http" not in answer.text


@pytest.mark.parametrize("path", [SIGN_IN, CONSENT, SIGN_OUT, SESSIONS, "/oauth/authorize"])
def test_what_fails_around_a_page_is_a_page(site, path):
    answer = Person(site).browser.delete(path, base_url=ISSUER)
    assert (answer.status_code, answer.mimetype) == (405, "text/html")
    assert answer.headers["Allow"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    large = Person(site).post(path, {"x": "y" * 70_000})
    assert (large.status_code, large.mimetype) == (413, "text/html")


def test_without_a_database_the_pages_say_so(tmp_path):
    site = Site("postgresql+psycopg://127.0.0.1:1/none", tmp_path)
    answer = Person(site).get("/oauth/authorize?client_id=x")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert answer.headers["Retry-After"] == "1"
