"""Pushed requests: judged when they are pushed, bound to their client, used once."""

import re
from urllib.parse import urlencode, urlsplit

import pytest

from app.features.clients import use_case as clients
from app.protocol.authorization import PUSHED
from tests.person import (
    AUTHORIZE,
    SIGN_IN,
    Page,
    Person,
    answer_of,
    exchange,
    request,
    web_app,
)
from tests.protocol.expect import everything, refused
from tests.site import ISSUER

PAR = "/oauth/par"


def push(site, client, **wanted) -> str:
    answer = site.post(PAR, request(client, **wanted), client)
    assert answer.status_code == 201, answer.text
    return answer.json["request_uri"]


def go(person, client, request_uri, **more):
    form = {"client_id": client.client.client_id, "request_uri": request_uri, **more}
    return person.get(f"{AUTHORIZE}?{urlencode(form)}")


@pytest.mark.clause("rfc9126-2-02", "rfc9126-2-04", "rfc9126-2.2-01", "rfc9126-2.2-02")
@pytest.mark.clause("rfc9126-2.2-03", "rfc9126-2.2-04", "rfc9126-2.2-06", "rfc9126-2.2-07")
@pytest.mark.parametrize("public", [False, True])
def test_a_request_is_pushed_and_then_referred_to(any_site, public):
    site = any_site
    site.user()
    client, alice = web_app(site, public=public), Person(site)
    wanted = request(client, state="pushed", scope="read")
    answer = site.post(PAR, wanted, None if public else client)
    assert answer.status_code == 201
    assert set(answer.json) == {"request_uri", "expires_in"}
    assert re.fullmatch(PUSHED + "[A-Za-z0-9_-]{43}", answer.json["request_uri"])
    assert answer.json["expires_in"] == 60
    assert answer.headers["Cache-Control"] == "no-cache, no-store"
    asked = go(alice, client, answer.json["request_uri"], scope="write", state="outside")
    told = answer_of(alice.consent_at(alice.sign_in_at(asked.location).location).location)
    assert (told["state"], told["iss"]) == ("pushed", ISSUER)
    assert exchange(site, client, told["code"]).json["scope"] == "read"


@pytest.mark.clause("rfc9126-2.2-05", "rfc9126-4-02", "rfc9126-4-03", "rfc9126-7.3-01")
def test_a_request_uri_is_good_for_its_client_once_and_for_a_minute(any_site):
    site = any_site
    client, other, alice = web_app(site), web_app(site), Person(site)
    uri = push(site, client)
    for answer in (
        go(alice, other, uri),
        go(alice, client, uri + "x"),
        go(alice, client, uri[:-1]),
    ):
        assert (answer.status_code, answer.location) == (400, None)
    assert urlsplit(go(alice, client, uri).location).path == SIGN_IN
    assert go(alice, client, uri).status_code == 400, "used"
    uri = push(site, client)
    site.clock.advance(seconds=60)
    assert go(alice, client, uri).status_code == 400, "expired"


@pytest.mark.clause("rfc9126-4-04", "rfc9126-7.4-01")
def test_a_pushed_request_is_judged_again_when_it_is_used(site):
    client, alice = web_app(site), Person(site)
    uri = push(site, client)
    clients.disable(site.run, client.client)
    site.clock.advance(seconds=6)
    answer = go(alice, client, uri)
    assert (answer.status_code, answer.location) == (400, None)
    assert "may no longer use this server" in Page(answer.text).text


def test_the_sign_in_page_may_be_reloaded_after_a_pushed_request(site):
    client, alice = web_app(site), Person(site)
    location = go(alice, client, push(site, client)).location
    assert [alice.get(location).status_code for _ in range(3)] == [200] * 3


def test_a_posted_reference_without_cookies_is_not_used_up(site):
    client, alice = web_app(site), Person(site)
    form = {"client_id": client.client.client_id, "request_uri": push(site, client)}
    moved = alice.post(AUTHORIZE, form)
    assert urlsplit(alice.get(moved.location).location).path == SIGN_IN


WRONG = {
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "another redirect URI": ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
    "an unknown scope": ({"scope": "admin"}, "invalid_scope"),
    "an unknown resource": ({"resource": "https://x.example"}, "invalid_target"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "a request URI": ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
    "a request object": ({"request": "e30.e30."}, "request_not_supported"),
}


@pytest.mark.clause("rfc9126-2.1-01", "rfc9126-2.1-03", "rfc9126-2.3-01")
@pytest.mark.parametrize("case", WRONG)
def test_what_the_authorization_endpoint_would_refuse_is_refused_at_once(site, case):
    wanted, error = WRONG[case]
    client = web_app(site)
    before = everything(site)
    refused(site.post(PAR, request(client, **wanted), client), error)
    assert everything(site) == before


@pytest.mark.clause("rfc9126-2-06", "rfc9126-2.1-02", "rfc9126-2.3-02")
def test_a_client_authenticates_as_at_the_token_endpoint(site):
    client, other = web_app(site), web_app(site)
    refused(site.post(PAR, request(client)), "invalid_client", status=401)
    refused(site.post(PAR, request(other), client), "invalid_request")
    assert site.http.get(PAR).status_code == 405
    wanted = {**request(client), "client_secret": client.secret or ""}
    assert site.post(PAR, wanted).status_code == 201
    assert (client.secret or "") not in repr(everything(site))


@pytest.mark.clause("rfc9126-2.3-03")
def test_a_request_that_is_too_large_is_refused(site):
    client = web_app(site)
    answer = site.post(PAR, request(client, state="x" * 70_000), client)
    refused(answer, "invalid_request", status=413)


@pytest.mark.clause("rfc9126-5-01", "rfc9126-6-01", "rfc9126-4-05")
@pytest.mark.parametrize("whose", ["the client's", "the server's"])
def test_who_has_to_push_cannot_do_without(make_site, whose):
    site = make_site(require_par="on" if whose == "the server's" else "off")
    client, alice = web_app(site, require_par=whose == "the client's"), Person(site)
    told = answer_of(alice.ask(client).location)
    assert (told["error"], told["iss"]) == ("invalid_request", ISSUER)
    assert urlsplit(go(alice, client, push(site, client)).location).path == SIGN_IN
    found = site.http.get("/.well-known/oauth-authorization-server").json
    assert ("require_pushed_authorization_requests" in found) is (whose == "the server's")
