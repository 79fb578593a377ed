"""Forged forms, framed pages and planted sessions. Each is refused, and nothing is granted: no code, no
consent, no session of the browser's.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import pytest

from tests.pages.account import SESSIONS
from tests.person import (
    AUTHORIZE,
    CALLBACK,
    CONSENT,
    SIGN_IN,
    SIGN_OUT,
    Page,
    Person,
    request,
    web_app,
)
from tests.protocol.expect import everything
from tests.site import ISSUER, PASSWORD

EVIL = "https://evil.example"
RIGHT = {"username": "alice", "password": PASSWORD}


# --- forged forms ---------------------------------------------------------------------------------


@dataclass
class Scene:
    """Alice at the consent page of a client, or at the sign-in page in front of it."""

    alice: Person
    action: str
    fields: dict[str, str]
    stranger: dict[str, str]
    """The same form as it was given to another browser."""


@pytest.fixture(params=[SIGN_IN, CONSENT, SIGN_OUT, SESSIONS])
def scene(request, site):
    site.user()
    site.user("mallory")
    client = web_app(site)

    def at(person):
        if request.param in {SIGN_OUT, SESSIONS}:
            person.sign_in()
            return Page(person.get(request.param).text)
        location = person.ask(client).location
        if request.param == CONSENT:
            location = person.sign_in_at(location).location
        return Page(person.get(location).text)

    alice, mallory = Person(site), Person(site, "mallory")
    hers, his = at(alice), at(mallory)
    return Scene(alice, hers.action, hers.fields | ANSWERS[request.param], his.fields)


ANSWERS = {
    SIGN_IN: RIGHT,
    CONSENT: {"decision": "allow"},
    SIGN_OUT: {},
    SESSIONS: {"do": "end-everything"},
}
FORGED = {
    "no token": ({"csrf": ""}, {}),
    "a token of zeros": ({"csrf": "0" * 64}, {}),
    "a token that is no ASCII": ({"csrf": "\u00e9"}, {}),
    "another site's origin": ({}, {"Origin": EVIL}),
    "an opaque origin": ({}, {"Origin": "null"}),
    "our host by plain http": ({}, {"Origin": "http://id.example.com"}),
    "our host on another port": ({}, {"Origin": "https://id.example.com:8443"}),
    "a host below ours": ({}, {"Origin": "https://app.id.example.com"}),
    "a cross-site fetch": ({}, {"Sec-Fetch-Site": "cross-site"}),
    "a fetch from a sibling": ({}, {"Sec-Fetch-Site": "same-site"}),
}


@pytest.mark.clause("rfc6749-10.12-01")
@pytest.mark.parametrize("case", FORGED)
def test_a_form_that_is_not_from_our_page_is_refused(scene, case):
    fields, headers = FORGED[case]
    before = everything(scene.alice.site)
    answer = scene.alice.post(scene.action, {**scene.fields, **fields}, headers=headers)
    assert (answer.status_code, answer.location) == (403, None)
    assert "Set-Cookie" not in answer.headers
    assert everything(scene.alice.site) == before
    honest = scene.alice.post(scene.action, scene.fields, headers={"Origin": ISSUER})
    assert honest.status_code in {200, 303}, "the same form from our page"


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_token_that_another_browser_was_given_is_refused(scene):
    before = everything(scene.alice.site)
    for form in (
        {**scene.fields, "csrf": scene.stranger["csrf"]},
        {**scene.fields, **scene.stranger},
    ):
        answer = scene.alice.post(scene.action, form)
        assert (answer.status_code, answer.location) == (403, None)
    assert everything(scene.alice.site) == before


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_browser_without_our_cookies_cannot_send_a_form(scene):
    other = Person(scene.alice.site)
    before = everything(scene.alice.site)
    assert other.post(scene.action, scene.fields).status_code == 403
    assert everything(scene.alice.site) == before


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_form_in_the_query_string_or_twice_is_refused(scene):
    before = everything(scene.alice.site)
    assert scene.alice.post(f"{scene.action}?{urlencode(scene.fields)}", {}).status_code == 400
    assert scene.alice.post(f"{scene.action}?x=y", scene.fields).status_code == 400
    doubled = urlencode([*scene.fields.items(), ("csrf", "x")])
    form = "application/x-www-form-urlencoded"
    assert scene.alice.post(scene.action, doubled, content_type=form).status_code == 400
    as_json = scene.alice.post(scene.action, "{}", content_type="application/json")
    assert as_json.status_code == 400
    assert everything(scene.alice.site) == before


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_link_changes_nothing(site):
    """GET with everything a form would have sent."""
    site.user()
    client, alice = web_app(site), Person(site)
    consent = alice.sign_in_at(alice.ask(client).location).location
    fields = Page(alice.get(consent).text).fields
    before = everything(site)
    for path, more in ((CONSENT, {"decision": "allow"}), (SIGN_OUT, {}), (SIGN_IN, RIGHT)):
        answer = alice.get(f"{path}?{urlencode({**fields, **more})}")
        assert CALLBACK not in (answer.location or "")
    assert everything(site) == before


@pytest.mark.clause("rfc6749-10.12-01")
@pytest.mark.parametrize("decision", ["", "yes", "ALLOW", "allow "])
def test_only_allow_means_allow(site, decision):
    site.user()
    client, alice = web_app(site), Person(site)
    consent = alice.sign_in_at(alice.ask(client).location).location
    before = everything(site)
    answer = alice.consent_at(consent, decision)
    assert urlsplit(answer.location).path == CONSENT, "asked again"
    assert everything(site) == before


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_request_that_waits_belongs_to_the_browser_that_brought_it(site):
    """Mallory sends Alice the address of a question that Mallory's browser was asked."""
    site.user()
    site.user("mallory")
    client, alice, mallory = web_app(site), Person(site), Person(site, "mallory")
    his = mallory.ask(client).location
    alice.sign_in()
    before = everything(site)
    for url in (his, his.replace(SIGN_IN, CONSENT)):
        answer = alice.get(url)
        assert (answer.status_code, answer.location) == (400, None)
    assert everything(site) == before
    site.clock.advance(seconds=15 * 60)
    assert mallory.get(his).status_code == 400, "nor does it wait for ever"


# --- frames ---------------------------------------------------------------------------------------


@pytest.mark.clause("rfc9700-4.16-01", "rfc9700-4.16-02", "rfc9700-4.16-03", "rfc6749-10.13-01")
@pytest.mark.clause("rfc9700-4.2.4-01")
@pytest.mark.parametrize(
    "page",
    [
        "sign-in",
        "refused sign-in",
        "signed in",
        "consent",
        "sign-out",
        "signed out",
        "sessions",
        "unknown session",
        "error",
        "forged",
    ],
)
def test_no_page_can_be_framed_scripted_kept_or_made_to_post_elsewhere(site, page):
    site.user()
    client, alice = web_app(site), Person(site)
    answer = PAGES[page](alice, client)
    policy = dict(
        part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == policy["base-uri"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert set(policy) == {"default-src", "style-src", "base-uri", "form-action", "frame-ancestors"}
    targets = {
        "sign-in": "'self' https://app.example.com",
        "consent": "'self' https://app.example.com",
    }
    assert policy["form-action"] == targets.get(page, "'self'")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    html = Page(answer.text)
    assert not html.all("script") + html.all("iframe") + html.all("img") + html.all("style")
    assert not [attrs for _, attrs in html.tags if "style" in attrs or "onclick" in attrs]
    assert all((link["href"] or "").startswith(ISSUER) for link in html.all("link") + html.all("a"))


def unknown_session(alice):
    alice.sign_in()
    return alice.post(SESSIONS, {**Page(alice.get(SESSIONS).text).fields, "do": "end"})


PAGES = {
    "sign-in": lambda alice, client: alice.get(alice.ask(client).location),
    "refused sign-in": lambda alice, client: alice.sign_in(password="wrong"),
    "signed in": lambda alice, client: alice.get(alice.sign_in().location),
    "consent": lambda alice, client: alice.get(
        alice.sign_in_at(alice.ask(client).location).location
    ),
    "sign-out": lambda alice, client: (alice.sign_in(), alice.get(SIGN_OUT))[1],
    "signed out": lambda alice, client: alice.get(SIGN_OUT),
    "sessions": lambda alice, client: (alice.code(client), alice.get(SESSIONS))[1],
    "unknown session": lambda alice, client: unknown_session(alice),
    "error": lambda alice, client: alice.ask(client, redirect_uri=EVIL),
    "forged": lambda alice, client: alice.post(CONSENT, {}),
}


@pytest.mark.clause("rfc9700-2.1-02")
@pytest.mark.parametrize(
    ("uri", "sources"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1 http://127.0.0.1:51004"),
        ("http://[::1]/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://app.example.com/cb", "https://app.example.com https://www.example.com"),
    ],
)
def test_a_form_may_lead_to_the_client_and_nowhere_else(site, uri, sources):
    """Chromium applies `form-action` to every redirect that follows a form."""
    client = web_app(site, redirect_uris=(uri,), origins=("https://www.example.com",))
    asked = uri.replace("1/", "1:51004/").replace("]/", "]:51004/")
    page = Person(site).get(Person(site).ask(client, redirect_uri=asked).location)
    assert page.status_code == 400, "another browser"
    alice = Person(site)
    page = alice.get(alice.ask(client, redirect_uri=asked).location)
    policy = dict(
        part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; ")
    )
    wanted = {"'self'", "https://www.example.com", *sources.split()}
    assert set(policy["form-action"].split()) == wanted


@pytest.mark.clause("rfc6749-10.14-01")
def test_what_others_chose_is_text_on_our_pages(site):
    site.user()
    markup = '"><script src="https://evil.example/x.js"></script>'
    client, alice = web_app(site, name=markup), Person(site)
    asked = alice.ask(client, login_hint=markup, state=markup)
    answers = [alice.get(asked.location), alice.sign_in(username=markup)]
    answers.append(alice.get(alice.sign_in_at(asked.location).location))
    for answer in answers:
        assert not Page(answer.text).all("script")
        assert "<script" not in answer.text


# --- session fixation -----------------------------------------------------------------------------


def asked_with(site, client, cookie):
    """The answer to a browser that sends this as its `Cookie`; one with a jar would send the jar."""
    url = f"{AUTHORIZE}?{urlencode(request(client))}"
    bare = site.app.test_client(use_cookies=False)
    return bare.get(url, base_url=ISSUER, headers={"Cookie": cookie})


@pytest.mark.clause("asvs5-v7-7.2.4-01")
def test_a_sign_in_gives_the_browser_another_session(any_site):
    site = any_site
    site.user()
    alice = Person(site)
    alice.sign_in()
    first = alice.cookie("perennial_session")
    alice.browser.delete_cookie("__Host-perennial_forms", domain="id.example.com")
    alice.post(SIGN_IN, {**Page(alice.get(SIGN_IN).text).fields, **RIGHT})
    client = web_app(site)
    alice.sign_in_at(alice.ask(client, prompt="login").location)
    second = alice.cookie("perennial_session")
    assert first
    assert second not in {first, None}
    thief = Person(site)
    thief.browser.set_cookie(
        "__Host-perennial_session", first, domain="id.example.com", secure=True
    )
    assert urlsplit(thief.ask(client).location).path == SIGN_IN, "the one before is over"


@pytest.mark.clause("asvs5-v7-7.2.4-01")
@pytest.mark.parametrize("planted", ["A" * 43, "x", "", "A" * 43 + "; Path=/", "\u00e9" * 43])
def test_a_session_id_that_somebody_planted_names_nobody(site, planted):
    site.user()
    client, alice = web_app(site), Person(site)
    answer = asked_with(site, client, f"__Host-perennial_session={planted}")
    assert urlsplit(answer.location).path == SIGN_IN
    alice.browser.set_cookie("__Host-perennial_session", "A" * 43, domain="id.example.com")
    alice.sign_in()
    assert alice.cookie("perennial_session") != "A" * 43


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_form_from_before_the_sign_in_is_worth_nothing_after_it(site):
    site.user()
    client, alice = web_app(site), Person(site)
    asked = alice.ask(client).location
    old = Page(alice.get(asked).text).fields
    consent = alice.sign_in_at(asked).location
    cookie = alice.cookie("perennial_session")
    sent = alice.post(SIGN_IN, {**old, **RIGHT})
    assert sent.location.startswith(f"{ISSUER}{SIGN_IN}?request="), "to where it leads without it"
    assert alice.cookie("perennial_session") == cookie
    form = {**Page(alice.get(consent).text).fields, "csrf": old["csrf"], "decision": "allow"}
    assert alice.post(CONSENT, form).status_code == 403


@pytest.mark.clause("asvs5-v7-7.2.4-01")
def test_a_cookie_without_its_prefix_or_of_plain_http_is_not_looked_at(site):
    site.user()
    client, alice = web_app(site), Person(site)
    alice.code(client)
    cookie = f"perennial_session={alice.cookie('perennial_session')}"
    assert urlsplit(asked_with(site, client, cookie).location).path == SIGN_IN
    by_its_name = asked_with(site, client, f"__Host-{cookie}")
    assert by_its_name.location.startswith(CALLBACK), "the session lives"
