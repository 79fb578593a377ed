"""/oauth/authorize: what is refused, who is told, and when a person is asked."""

import re
from urllib.parse import urlencode, urlsplit

import pytest
from werkzeug.datastructures import MultiDict

from app.features.clients import use_case as clients
from app.protocol.authorization import PUSHED
from tests.person import (
    AUTHORIZE,
    CALLBACK,
    CONSENT,
    SIGN_IN,
    Page,
    Person,
    answer_of,
    exchange,
    request,
    web_app,
)
from tests.protocol.expect import claims, everything
from tests.site import ISSUER

ALLOWED = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")

TOLD = {
    "no response type": ({"response_type": None}, "invalid_request"),
    "an empty response type": ({"response_type": ""}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "no challenge": (
        {"code_challenge": None, "code_challenge_method": None},
        "invalid_request",
    ),
    "a method without a challenge": ({"code_challenge": None}, "invalid_request"),
    "plain by default": ({"code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "another method": ({"code_challenge_method": "S512"}, "invalid_request"),
    "s256 in small letters": ({"code_challenge_method": "s256"}, "invalid_request"),
    "a short challenge": ({"code_challenge": "a" * 42}, "invalid_request"),
    "a long challenge": ({"code_challenge": "a" * 44}, "invalid_request"),
    "form_post": ({"response_mode": "form_post"}, "invalid_request"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "an unknown prompt": ({"prompt": "select_account"}, "invalid_request"),
    "none beside login": ({"prompt": "none login"}, "invalid_request"),
    "a negative age": ({"max_age": "-1"}, "invalid_request"),
    "an age in words": ({"max_age": "soon"}, "invalid_request"),
    "an age without end": ({"max_age": "9" * 30}, "invalid_request"),
    "an unregistered scope": ({"scope": "admin"}, "invalid_scope"),
    "a malformed scope": ({"scope": "read  write"}, "invalid_scope"),
    "an unknown resource": ({"resource": "https://x.example"}, "invalid_target"),
    "a resource with a fragment": ({"resource": "https://x.example#f"}, "invalid_target"),
    "a request object": ({"request": "e30.e30."}, "request_not_supported"),
    "a request URI": (
        {"request_uri": "https://evil.example/request"},
        "request_uri_not_supported",
    ),
    "nobody signed in, and nobody to be asked": ({"prompt": "none"}, "login_required"),
}


@pytest.mark.clause("rfc6749-4.1.2.1-02", "rfc6749-4.1.2.1-05", "rfc9207-2-02", "rfc6749-3.1.1-01")
@pytest.mark.clause("rfc6749-3.1.1-02", "rfc7636-4.3-01", "rfc7636-4.3-02", "rfc7636-4.3-03")
@pytest.mark.clause("rfc7636-4.4.1-01", "rfc7636-4.4.1-03", "rfc6749-4.1.2.1-08", "rfc8707-2.1-03")
@pytest.mark.clause("rfc9700-2.1.1-03", "rfc8252-8.1-01", "rfc9700-2.1.2-02", "rfc8252-8.2-01")
@pytest.mark.clause("rfc8707-2-01", "rfc8707-2-02", "rfc8707-2-06", "rfc6749-3.1-07")
@pytest.mark.clause("rfc6749-4.1.2.1-03", "rfc6749-4.1.2.1-04")
@pytest.mark.parametrize("case", TOLD)
@pytest.mark.parametrize("public", [False, True])
def test_a_client_that_is_proven_is_told_what_is_wrong(site, case, public):
    wanted, error = TOLD[case]
    client = web_app(site, public=public)
    before = everything(site)
    answer = Person(site).ask(client, state="s 1+2", **wanted)
    assert answer.status_code == 303, answer.text
    assert answer.location.startswith(CALLBACK + "?")
    told = answer_of(answer.location)
    assert (told["error"], told["state"], told["iss"]) == (error, "s 1+2", ISSUER)
    assert told["error_uri"] == f"{ISSUER}/errors#{error}"
    assert ALLOWED.fullmatch(told["error"] + told["error_description"])
    assert set(told) == {"error", "error_description", "error_uri", "state", "iss"}
    assert everything(site) == before


TWICE = {
    "a scope": (("scope", "read"), ("scope", "read")),
    "an empty one": (("prompt", ""), ("prompt", "")),
    "a parameter nobody knows": (("unheard_of", "1"), ("unheard_of", "2")),
    "a response type": (("response_type", "code"),),
    "a challenge": (("code_challenge", "a" * 43),),
    "a pushed request": (("request_uri", PUSHED + "a"), ("request_uri", PUSHED + "b")),
    "a state beside a pushed request": (("request_uri", PUSHED + "a"), ("unheard_of", "1")) * 2,
}


@pytest.mark.clause("rfc6749-3.1-09", "rfc6749-4.1.2.1-02", "rfc6749-4.1.2.1-05", "rfc9207-2-02")
@pytest.mark.parametrize("case", TWICE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_that_is_proven_is_told_of_a_repeated_parameter(site, case, method):
    asked = list(request(web_app(site), state="s 1+2").items())
    before = everything(site)
    answer = put(site, method, [*asked, *TWICE[case]])
    assert (answer.status_code, answer.location.split("?")[0]) == (303, CALLBACK)
    told = answer_of(answer.location)
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", "s 1+2", ISSUER)
    assert everything(site) == before


@pytest.mark.clause("rfc6749-3.1-09", "rfc6749-3.1-10")
def test_of_two_states_none_comes_back(site):
    asked = [*request(web_app(site), state="a").items(), ("state", "b")]
    told = answer_of(put(site, "GET", asked).location)
    assert set(told) == {"error", "error_description", "error_uri", "iss"}
    assert told["error"] == "invalid_request"


@pytest.mark.clause("rfc6749-4.1.2.1-01", "rfc6749-3.1-09")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whoever_names_itself_or_its_address_twice_is_not_answered_there(site, name, method):
    asked = request(web_app(site))
    answer = put(site, method, [*asked.items(), (name, asked[name])])
    assert (answer.status_code, answer.location) == (400, None)


def test_a_pushed_request_is_not_used_up_by_a_malformed_one(site):
    site.user()
    client = web_app(site, public=False)
    pushed = site.post("/oauth/par", request(client), client).json["request_uri"]
    asked = [("client_id", client.client.client_id), ("request_uri", pushed)]
    told = answer_of(put(site, "GET", [*asked, ("x", "1"), ("x", "1")]).location)
    assert told["error"] == "invalid_request"
    assert put(site, "GET", asked).location.startswith(f"{ISSUER}{SIGN_IN}")


def put(site, method, parameters):
    if method == "POST":
        return site.http.post(AUTHORIZE, data=MultiDict(parameters))
    return site.http.get(f"{AUTHORIZE}?{urlencode(parameters)}")


@pytest.mark.clause("rfc6749-4.1.2.1-07")
def test_a_client_without_the_grant_is_told_so(site):
    client = site.client("refresh_token", redirect_uris=(CALLBACK,))
    told = answer_of(Person(site).ask(client).location)
    assert (told["error"], told["iss"]) == ("unauthorized_client", ISSUER)


@pytest.mark.clause("rfc7636-4.4.1-02", "rfc7636-4.4.1-04")
def test_a_client_without_a_challenge_is_told_what_it_needs(site):
    client = web_app(site)
    for wrong in ({"code_challenge": None}, {"code_challenge_method": "plain"}):
        told = answer_of(Person(site).ask(client, **wrong).location)
        assert (
            told["error_description"]
            == "A code_challenge of code_challenge_method S256 is required."
        )


def test_no_state_comes_back_when_none_was_sent(site):
    told = answer_of(Person(site).ask(web_app(site), state=None, scope="admin").location)
    assert "state" not in told


@pytest.mark.clause("rfc6749-3.1.2-03", "rfc6749-3.1-10")
def test_the_query_of_a_redirect_uri_is_kept(site):
    site.user()
    client = web_app(site, redirect_uris=("https://app.example.com/cb?tenant=a%2Fb",))
    told = Person(site).authorize(client)
    assert told["tenant"] == "a/b"
    assert set(told) == {"tenant", "code", "state", "iss"}


@pytest.mark.clause("rfc6749-3.1-06", "rfc6749-3.1-08")
def test_a_request_may_be_posted(any_site):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    asked = alice.post(AUTHORIZE, request(client, client_secret="x", state="posted"))
    assert asked.location.startswith(f"{ISSUER}{AUTHORIZE}?"), "without cookies: once more by GET"
    assert "client_secret" not in asked.location
    signed_in = alice.sign_in_at(alice.get(asked.location).location)
    assert answer_of(alice.consent_at(signed_in.location).location)["state"] == "posted"
    again = alice.post(AUTHORIZE, request(client, state="2"))
    assert answer_of(again.location)["state"] == "2"
    wrong = alice.post(AUTHORIZE, request(client, scope="admin"))
    assert answer_of(wrong.location)["error"] == "invalid_scope"


def test_a_posted_request_too_long_for_a_link_is_answered_at_once(site):
    site.user()
    client, alice = web_app(site), Person(site)
    asked = alice.post(AUTHORIZE, request(client, login_hint="x" * 4000))
    assert urlsplit(asked.location).path == SIGN_IN


@pytest.mark.clause("rfc6749-4.1.2.1-06", "rfc6749-4.1.2.1-05")
def test_a_person_may_say_no(any_site):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    consent = alice.sign_in_at(alice.ask(client, state="s").location).location
    told = answer_of(alice.consent_at(consent, "deny").location)
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "s", ISSUER)
    assert alice.get(consent).status_code == 400, "the question is over"
    assert urlsplit(alice.ask(client).location).path == CONSENT, "no is not remembered"


@pytest.mark.clause("rfc6749-10.2-03")
def test_the_question_says_what_for_whom_and_until_when(site):
    site.user()
    site.client(resource="https://notes.example.com")
    client, alice = web_app(site), Person(site)
    location = alice.ask(client, resource="https://notes.example.com", scope="read").location
    page = alice.get(alice.sign_in_at(location).location).text
    for said in (
        "Photo album",
        "alice",
        "<code>read</code>",
        "https://notes.example.com",
        CALLBACK,
    ):
        assert said in page
    assert "15 Apr 2027, 08:00 UTC" in page, "the absolute end of the session"
    assert "write" not in Page(page).text


def test_consent_is_remembered_for_what_was_allowed(any_site):
    site = any_site
    site.user()
    site.client(resource="https://notes.example.com")
    client, other, alice = web_app(site), web_app(site), Person(site)
    alice.code(client, scope="read")
    assert "code" in answer_of(alice.ask(client, scope="read").location)
    assert "code" in answer_of(alice.ask(client, scope="read", prompt="none").location)
    for wider in (
        {"scope": "read write"},
        {"scope": "read", "resource": "https://notes.example.com"},
    ):
        assert urlsplit(alice.ask(client, **wider).location).path == CONSENT
        silent = answer_of(alice.ask(client, prompt="none", **wider).location)
        assert silent["error"] == "consent_required"
    assert urlsplit(alice.ask(client, scope="read", prompt="consent").location).path == CONSENT
    assert urlsplit(alice.ask(other, scope="read").location).path == CONSENT
    assert "code" in alice.authorize(client, scope="write")
    assert "code" in answer_of(alice.ask(client, scope="read write").location)


def test_the_owners_own_applications_do_not_ask(site):
    site.user()
    client, alice = web_app(site, first_party=True), Person(site)
    told = alice.sign_in_at(alice.ask(client).location)
    assert "code" in answer_of(told.location)
    assert urlsplit(alice.ask(client, prompt="consent").location).path == CONSENT


@pytest.mark.clause("rfc8252-8.6-01", "rfc8252-8.6-02", "rfc6749-10.2-04")
@pytest.mark.parametrize("uri", ["http://127.0.0.1/cb", "com.example.app:/cb"])
def test_who_could_be_any_program_of_the_device_is_asked_about_every_time(site, uri):
    site.user()
    alice = Person(site)
    native = web_app(site, public=True, redirect_uris=(uri,))
    alice.code(native)
    assert urlsplit(alice.ask(native).location).path == CONSENT
    assert answer_of(alice.ask(native, prompt="none").location)["error"] == "consent_required"
    page = web_app(site, public=True)
    alice.code(page)
    assert "code" in answer_of(alice.ask(page).location), "TLS says who gets this answer"


def test_prompt_login_asks_for_the_password_again(any_site):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    alice.code(client)
    asked = alice.ask(client, prompt="login")
    assert urlsplit(asked.location).path == SIGN_IN
    skipped = alice.get(asked.location.replace(SIGN_IN, CONSENT))
    assert urlsplit(skipped.location).path == SIGN_IN, "the consent page is no way around"
    site.clock.advance(seconds=30)
    told = answer_of(alice.sign_in_at(asked.location).location)
    token = exchange(site, client, told["code"]).json["access_token"]
    assert claims(token)["auth_time"] == site.clock() // 1000


def test_max_age_asks_whoever_signed_in_too_long_ago(any_site):
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    alice.code(client)
    assert urlsplit(alice.ask(client, max_age="0").location).path == SIGN_IN
    assert "code" in alice.authorize(client, max_age="0"), "a sign-in for this request is enough"
    site.clock.advance(seconds=60)
    assert "code" in answer_of(alice.ask(client, max_age="60").location)
    site.clock.advance(seconds=0.001)
    assert urlsplit(alice.ask(client, max_age="60").location).path == SIGN_IN
    silent = alice.ask(client, max_age="60", prompt="none")
    assert answer_of(silent.location)["error"] == "login_required"


def test_a_login_hint_fills_in_the_name(site):
    client, alice = web_app(site), Person(site)
    page = Page(alice.get(alice.ask(client, login_hint='a"><b>').location).text)
    assert page.fields["username"] == 'a"><b>'
    assert not page.all("b")


def test_a_client_that_is_disabled_meanwhile_gets_no_code(site):
    site.user()
    client, alice = web_app(site), Person(site)
    consent = alice.sign_in_at(alice.ask(client).location).location
    form = Page(alice.get(consent).text).fields
    clients.disable(site.run, client.client)
    site.clock.advance(seconds=6)
    answer = alice.post(CONSENT, {**form, "decision": "allow"})
    assert (answer.status_code, answer.location) == (400, None)


@pytest.mark.clause("rfc9700-2.6-08")
def test_no_other_origin_reads_the_authorization_endpoint(site):
    client = web_app(site, origins=("https://app.example.com",))
    headers = {"Origin": "https://app.example.com"}
    for path in (f"{AUTHORIZE}?{urlencode(request(client))}", SIGN_IN, CONSENT):
        answer = Person(site).get(path, headers=headers)
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.clause("rfc9207-2.3-02", "rfc9207-2.3-03", "rfc7636-4.2-01", "rfc9700-2.1.1-14")
@pytest.mark.clause("rfc8414-2-09", "rfc9700-2.1.1-13", "rfc9126-2-03")
def test_the_metadata_says_what_is_there(site):
    found = site.http.get("/.well-known/oauth-authorization-server").json
    assert found["authorization_endpoint"] == ISSUER + AUTHORIZE
    assert found["response_types_supported"] == ["code"]
    assert found["response_modes_supported"] == ["query"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert found["pushed_authorization_request_endpoint"] == f"{ISSUER}/oauth/par"
    assert "authorization_code" in found["grant_types_supported"]
    assert found["request_parameter_supported"] is False
