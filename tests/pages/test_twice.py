"""People click twice, and go back: the first click counts, and the second leads to the same place.

A browser throws away the answer to the first click when the second one comes while it waits.
"""

from urllib.parse import urlsplit

import pytest

from tests.features.device.living_room import DEVICE, ask, decide, somebody, television, type_code
from tests.pages.account import SESSIONS
from tests.person import CONSENT, SIGN_IN, SIGN_OUT, Page, Person, answer_of, exchange, web_app
from tests.protocol.expect import everything

NATIVE = {"public": True, "redirect_uris": ("http://127.0.0.1/cb",)}


def asked(person, client) -> dict[str, str]:
    """The form of the question, for somebody who signs in first."""
    location = person.sign_in_at(person.ask(client).location).location
    return Page(person.get(location).text).fields


def answer(person, form, decision):
    return person.post(CONSENT, {**form, "decision": decision})


@pytest.mark.parametrize("wish", [{}, NATIVE])
def test_whoever_allows_twice_gets_a_code_each_time_for_a_minute(any_site, wish):
    site = any_site
    site.user()
    client, alice = web_app(site, **wish), Person(site)
    form = asked(alice, client)
    codes = [answer_of(answer(alice, form, "allow").location)["code"] for _ in range(2)]
    assert len(set(codes)) == 2
    for code in reversed(codes):
        assert exchange(site, client, code).status_code == 200
    site.clock.advance(seconds=59.999)
    assert "code=" in answer(alice, form, "allow").location
    site.clock.advance(seconds=0.001)
    over = answer(alice, form, "allow")
    assert (over.status_code, over.location) == (400, None)


def test_whoever_refuses_twice_has_refused(any_site):
    any_site.user()
    client, alice = web_app(any_site), Person(any_site)
    form = asked(alice, client)
    for _ in range(2):
        told = answer_of(answer(alice, form, "deny").location)
        assert told["error"] == "access_denied"


@pytest.mark.clause("rfc6749-10.12-01")
@pytest.mark.parametrize("wish", [{}, NATIVE])
@pytest.mark.parametrize(("first", "second"), [("allow", "deny"), ("deny", "allow")])
def test_the_first_answer_stands(any_site, wish, first, second):
    any_site.user()
    client, alice = web_app(any_site, **wish), Person(any_site)
    form = asked(alice, client)
    answer(alice, form, first)
    before = everything(any_site)
    late = answer(alice, form, second)
    assert (late.status_code, late.location) == (400, None)
    assert everything(any_site) == before


def test_going_back_to_a_question_that_was_answered_leads_on(any_site):
    any_site.user()
    client, alice = web_app(any_site), Person(any_site)
    form = asked(alice, client)
    answer(alice, form, "allow")
    for page in (CONSENT, SIGN_IN):
        assert "code=" in alice.get(f"{page}?request={form['request']}").location


@pytest.mark.parametrize("prompt", [None, "login"])
def test_a_second_click_on_sign_in_leads_on(any_site, prompt):
    """The first one's cookie is there already, its page is not."""
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    location = alice.ask(client, prompt=prompt).location
    form = {**Page(alice.get(location).text).fields, "username": "alice", "password": "wrong"}
    alice.sign_in_at(location)
    cookie, before = alice.cookie("perennial_session"), everything(site)
    again = alice.post(SIGN_IN, form)
    assert urlsplit(again.location).path == SIGN_IN
    assert everything(site) == before, "the password is not even looked at"
    assert alice.cookie("perennial_session") == cookie
    assert urlsplit(alice.get(again.location).location).path == CONSENT


def test_a_second_click_on_sign_in_leads_to_ones_own_pages_too(site):
    site.user()
    alice = Person(site)
    location = alice.get(SESSIONS).location
    form = Page(alice.get(location).text).fields
    alice.sign_in_at(location)
    again = alice.post(SIGN_IN, {**form, "username": "alice", "password": "wrong"})
    assert urlsplit(alice.get(again.location).location).path == SESSIONS


def test_a_sign_in_that_is_sent_twice_before_any_answer_leads_on(any_site):
    """To an application that was allowed before, so that the first one has answered it."""
    site = any_site
    site.user()
    client, alice = web_app(site), Person(site)
    Person(site).code(client)
    location = alice.ask(client).location
    page = Page(alice.get(location).text)
    form = {**page.fields, "username": "alice", "password": alice.password}
    forms_cookie = alice.cookie("perennial_forms")
    first = alice.post(SIGN_IN, form)
    other = Person(site)
    name, domain = "__Host-perennial_forms", "id.example.com"
    other.browser.set_cookie(name, forms_cookie, domain=domain, secure=True)
    second = other.post(SIGN_IN, form)
    for sent in (first, second):
        code = answer_of(sent.location)["code"]
        assert exchange(site, client, code).status_code == 200


def test_whoever_signs_out_twice_is_signed_out(site):
    alice = somebody(site)
    form = Page(alice.get(SIGN_OUT).text).fields
    for _ in range(2):
        answer = alice.post(SIGN_OUT, form)
        assert (answer.status_code, "Signed out" in answer.text) == (200, True)


@pytest.mark.parametrize(
    ("decision", "said"), [("allow", "is signed in"), ("deny", "Nothing was allowed")]
)
def test_whoever_decides_twice_about_a_device_has_decided(any_site, decision, said):
    codes, alice = ask(any_site, television(any_site)), somebody(any_site)
    page = Page(type_code(alice, codes.user_code).text)
    form = {**page.fields, "decision": decision}
    first = alice.post(DEVICE, form)
    before = everything(any_site)
    for _ in range(6):
        again = alice.post(DEVICE, form)
        assert (again.status_code, again.text) == (200, first.text)
    assert said in first.text
    assert everything(any_site) == before
    other = alice.post(DEVICE, {**form, "decision": "deny" if decision == "allow" else "allow"})
    assert other.status_code == 400
    assert decide(alice, ask(any_site, codes.client).user_code).status_code == 200, "not a guess"


def test_what_was_decided_is_told_to_who_decided_it_only(any_site):
    codes, alice = ask(any_site, television(any_site)), somebody(any_site)
    bob = somebody(any_site, "bob")
    form = Page(type_code(bob, codes.user_code).text).fields
    decide(alice, codes.user_code)
    assert bob.post(DEVICE, {**form, "decision": "allow"}).status_code == 400
