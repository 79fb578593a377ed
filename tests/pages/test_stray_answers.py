"""Open redirects, mix-up and injected codes. Each attempt is refused, and nothing is granted."""

from urllib.parse import quote, urlencode

import pytest

from tests.person import (
    AUTHORIZE,
    CALLBACK,
    CONSENT,
    SIGN_IN,
    SIGN_OUT,
    VERIFIER,
    Page,
    Person,
    answer_of,
    challenge,
    exchange,
    web_app,
)
from tests.protocol.expect import everything, refused
from tests.site import ISSUER, PASSWORD

EVIL = "https://evil.example"


# --- open redirects: the browser stays here -------------------------------------------------------

REDIRECTS = {
    "elsewhere": EVIL,
    "a longer path": CALLBACK + "/../../evil",
    "a path that begins alike": CALLBACK + "2",
    "a query more": CALLBACK + "?next=" + EVIL,
    "a fragment": CALLBACK + "#" + EVIL,
    "a fragment of nothing": CALLBACK + "#",
    "a host that begins alike": "https://app.example.com.evil.example/cb",
    "a user name that looks like the host": "https://app.example.com@evil.example/cb",
    "a backslash": "https://evil.example\\@app.example.com/cb",
    "without a scheme": "//app.example.com/cb",
    "plain http": "http://app.example.com/cb",
    "capitals": "https://APP.example.com/cb",
    "the port spelled out": "https://app.example.com:443/cb",
    "an escape": "https://app.example.com/%63b",
    "a blank in front": " " + CALLBACK,
    "a script": "javascript:alert(1)//" + CALLBACK,
    "data": "data:text/html,<script>alert(1)</script>",
    "loopback that is not registered": "http://127.0.0.1:8080/cb",
    "a list": CALLBACK + " " + EVIL,
}


@pytest.mark.clause(
    "rfc6749-10.15-01", "rfc6749-3.1.2.4-01", "rfc6749-4.1.2.1-01", "rfc9700-2.1-02"
)
@pytest.mark.clause(
    "rfc6749-3.1.2.3-02", "rfc9700-4.1.3-01", "rfc6749-3.1.2.4-02", "rfc6749-10.6-03"
)
@pytest.mark.parametrize("case", REDIRECTS)
@pytest.mark.parametrize("extra", [{}, {"prompt": "none"}, {"response_type": "token"}])
def test_an_answer_goes_to_a_registered_address_or_nowhere(site, case, extra):
    client = web_app(site)
    before = everything(site)
    answer = Person(site).ask(client, redirect_uri=REDIRECTS[case], **extra)
    assert (answer.status_code, answer.location) == (400, None)
    page = Page(answer.text)
    assert "an address that is not registered" in page.text
    assert not page.all("a") + page.all("meta")[3:]
    assert "evil.example" not in answer.text
    assert answer.headers["X-Request-ID"] in page.text
    assert everything(site) == before


@pytest.mark.clause("rfc6749-4.1.1-01", "rfc6749-4.1.2.1-01", "rfc6749-3.1-09", "rfc6749-10.14-01")
@pytest.mark.parametrize(
    "query",
    [
        "",
        urlencode({"redirect_uri": CALLBACK}),
        "client_id=&redirect_uri=" + CALLBACK,
        "client_id=nobody&redirect_uri=" + CALLBACK,
        "client_id=%00&redirect_uri=" + CALLBACK,
        "client_id=%FF&redirect_uri=" + CALLBACK,
        "client_id={id}&client_id={id}&redirect_uri=" + CALLBACK,
        "client_id={id}&redirect_uri=" + CALLBACK + "&redirect_uri=" + EVIL,
        "client_id={id}&redirect_uri=" + CALLBACK + "&state=%0D%0ALocation:%20" + EVIL,
        "client_id={id}&redirect_uri=" + CALLBACK + "&state=%E4%BD%A0",
        "client_id={id}&redirect_uri=" + CALLBACK + "&state=" + "x" * 2049,
        "client_id={id}&redirect_uri=" + CALLBACK + "&state=%zz",
        "client_id={id}&request_uri=urn:ietf:params:oauth:request_uri:" + "A" * 43,
        "client_id={id}&redirect_uri=" + CALLBACK + "&" + "&".join(f"p{n}=x" for n in range(101)),
    ],
)
def test_a_request_that_names_nobody_or_two_is_answered_on_a_page(site, query):
    client = web_app(site)
    before = everything(site)
    answer = Person(site).get(AUTHORIZE + "?" + query.replace("{id}", client.client.client_id))
    assert (answer.status_code, answer.location) == (400, None)
    assert answer.mimetype == "text/html"
    assert everything(site) == before


@pytest.mark.clause("rfc9700-2.1-02", "rfc6749-10.15-01")
@pytest.mark.parametrize("path", [SIGN_IN, CONSENT, SIGN_OUT])
@pytest.mark.parametrize(
    "query",
    ["return_to", "next", "continue", "redirect_uri", "post_logout_redirect_uri", "request"],
)
def test_no_page_sends_the_browser_where_its_address_says(site, path, query):
    site.user()
    alice = Person(site)
    alice.sign_in()
    for url in (f"{path}?{query}={quote(EVIL)}", f"{path}?{query}=//evil.example"):
        answer = alice.get(url)
        assert (answer.location or ISSUER).startswith(ISSUER)
        assert "evil.example" not in answer.text


# --- mix-up, injection, downgrade -----------------------------------------------------------------


@pytest.mark.clause("rfc9207-2-01", "rfc9207-2-02", "rfc9207-2.3-02")
def test_every_answer_names_its_issuer_whoever_asks_for_another(site):
    site.user()
    client, alice = web_app(site), Person(site)
    for wanted in ({"prompt": "none"}, {"scope": "admin"}, {"response_type": "token"}):
        told = answer_of(alice.ask(client, iss=EVIL, **wanted).location)
        assert told["iss"] == ISSUER
    assert alice.authorize(client, iss=EVIL)["iss"] == ISSUER
    found = site.http.get("/.well-known/oauth-authorization-server").json
    assert found["issuer"] == ISSUER


@pytest.mark.clause("rfc9700-4.8.2-03", "rfc7636-4.6-02", "rfc6749-4.1.2-06")
@pytest.mark.parametrize("thief", ["with his own verifier", "without", "as another client"])
def test_a_code_that_was_injected_or_stolen_is_worth_nothing(site, thief):
    site.user()
    client, other = web_app(site, public=True), web_app(site, public=True)
    code = Person(site).code(client, code_challenge=challenge(VERIFIER))
    before = everything(site)
    match thief:
        case "with his own verifier":
            refused(exchange(site, client, code, code_verifier="m" * 43), "invalid_grant")
        case "without":
            refused(exchange(site, client, code, code_verifier=""), "invalid_request")
        case _:
            refused(exchange(site, other, code), "invalid_grant")
    assert everything(site) == before


@pytest.mark.clause("rfc7636-4.5-02", "rfc9700-4.8.2-01", "rfc7636-7.2-02")
def test_no_parameter_of_the_exchange_goes_down_to_plain(site):
    site.user()
    client = web_app(site, public=True)
    code = Person(site).code(client)
    answer = exchange(
        site, client, code, code_verifier=challenge(VERIFIER), code_challenge_method="plain"
    )
    refused(answer, "invalid_grant")
    assert exchange(site, client, code).status_code == 200


@pytest.mark.clause("rfc9700-4.12-01", "rfc9700-2.1-05", "rfc9700-4.12-02")
def test_a_password_is_never_sent_on(site):
    site.user()
    client, alice = web_app(site, first_party=True), Person(site)
    answer = alice.sign_in_at(alice.ask(client).location)
    assert answer.status_code == 303
    assert PASSWORD not in answer.location
    assert answer.headers["Referrer-Policy"] == "no-referrer"
