"""/device: type the code, see who asks for what, say yes or no. Nothing is ever approved unasked."""

from urllib.parse import urlsplit

import pytest

from app.features.clients import use_case as clients
from app.protocol import browser
from app.store import device_authorizations as store
from tests.features.device.living_room import (
    AUTHORIZATION,
    DEVICE,
    Codes,
    ask,
    decide,
    somebody,
    television,
    type_code,
)
from tests.person import SIGN_IN, Page, Person
from tests.protocol.expect import claims, everything, refused
from tests.site import ISSUER

WRONG = "BBBB-BBBB"


def decided(site) -> list[object]:
    return [row[11] for row in everything(site)["device_authorizations"]]


def problem(answer) -> str:
    page = Page(answer.text)
    assert any(tag.get("role") == "alert" for tag in page.all("p")), answer.text
    return page.text


@pytest.mark.clause("rfc8628-3.3-01", "rfc8628-5.4-01", "rfc8628-5.4-02", "rfc8628-3.3.1-01")
def test_a_person_types_the_code_and_allows_what_they_see(any_site):
    site = any_site
    notes = "https://notes.example.com"
    site.client(resource=notes)
    tv = television(site, name="Television <1>")
    codes = Codes(site, tv, site.post(AUTHORIZATION, {"scope": "read", "resource": notes}, tv).json)
    alice = somebody(site)
    asked = type_code(alice, codes.user_code.lower().replace("-", " "))
    assert asked.status_code == 200
    text = " ".join(Page(asked.text).text.split())
    for said in ("Television <1>", "alice", "read", notes, codes.user_code, "127.0.0.1"):
        assert said in text
    assert "in front of you" in text
    refused(codes.poll(), "authorization_pending")
    page = Page(asked.text)
    done = alice.post(page.action, {**page.fields, "decision": "allow"})
    assert done.status_code == 200
    assert "is signed in" in Page(done.text).text
    tokens = codes.poll().json
    assert claims(tokens["access_token"])["aud"] == notes
    assert [row[2] for row in everything(site)["audit"]][-1] == "device_decided"


@pytest.mark.clause("rfc8628-3.3-01", "rfc8628-3.5-03")
def test_a_person_says_no(any_site):
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    assert decide(alice, codes.user_code, "deny").status_code == 200
    refused(codes.poll(), "access_denied")
    assert "no device shows" in problem(type_code(alice, codes.user_code)), "there is no way back"


@pytest.mark.clause("rfc8628-3.2-04", "rfc8628-3.3.1-01")
def test_a_link_with_the_code_fills_it_in_and_approves_nothing(any_site):
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    before = everything(any_site)
    uri = codes.told["verification_uri_complete"]
    page = Page(alice.get(uri + "&decision=allow&request=" + codes.user_code).text)
    assert page.fields["user_code"] == codes.user_code
    assert "Television" not in page.text
    assert everything(any_site) == before
    asked = Page(alice.post(page.action, page.fields).text)
    assert codes.user_code in asked.text
    assert {button["value"] for button in asked.all("button")} == {"allow", "deny"}
    assert decided(any_site) == [None]


@pytest.mark.parametrize("with_code", [True, False])
def test_who_is_not_signed_in_does_so_first(any_site, with_code):
    codes = ask(any_site, television(any_site))
    any_site.user()
    alice = Person(any_site)
    uri = codes.told["verification_uri_complete" if with_code else "verification_uri"]
    to_sign_in = alice.get(uri)
    assert to_sign_in.status_code == 303
    assert urlsplit(to_sign_in.location).path == SIGN_IN
    refused_once = alice.sign_in_at(to_sign_in.location, password="wrong")
    page = Page(refused_once.text)
    form = {**page.fields, "username": "alice", "password": alice.password}
    assert alice.post(page.action, form).location == uri
    assert alice.get(to_sign_in.location).location == uri, "signed in meanwhile"
    assert Page(alice.get(uri).text).fields["user_code"] == (codes.user_code if with_code else "")


@pytest.mark.clause("rfc9700-2.1-02")
@pytest.mark.parametrize(
    "query",
    [
        "for=https://evil.example/",
        "for=//evil.example",
        "for=device&user_code=https://evil.example/",
        "for=device&user_code=%22%3E%3Cscript%3E",
    ],
)
def test_the_way_back_is_one_of_our_own_pages(site, query):
    site.user()
    answer = Person(site).sign_in_at(f"{SIGN_IN}?{query}")
    assert answer.location in {ISSUER + SIGN_IN, ISSUER + DEVICE}


@pytest.mark.clause("rfc6749-10.12-01")
def test_nothing_is_decided_without_the_question(any_site):
    """The token of the first form, and that of another code's question, decide nothing."""
    codes, others = (ask(any_site, television(any_site)) for _ in range(2))
    alice = somebody(any_site)
    first = Page(alice.get(DEVICE).text).fields
    straight = {**first, "user_code": codes.user_code, "decision": "allow"}
    assert "allow" in alice.post(DEVICE, straight).text, "asks"
    bare = codes.user_code.replace("-", "")
    assert alice.post(DEVICE, {**straight, "request": bare}).status_code == 403
    question = Page(type_code(alice, others.user_code).text).fields
    swapped = {**question, "request": bare, "decision": "allow"}
    assert alice.post(DEVICE, swapped).status_code == 403
    for wrong in ({}, {"decision": ""}, {"decision": "Allow"}):
        assert alice.post(DEVICE, {**question, **wrong}).status_code == 200
    assert decided(any_site) == [None, None]


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_form_of_another_site_or_of_another_session_decides_nothing(any_site):
    codes = ask(any_site, television(any_site))
    alice, mallory = somebody(any_site), somebody(any_site, "mallory")
    page = Page(type_code(alice, codes.user_code).text)
    yes = {**page.fields, "decision": "allow"}
    before = everything(any_site)
    assert mallory.post(DEVICE, yes).status_code == 403
    assert alice.post(DEVICE, yes, headers={"Origin": "https://evil.example"}).status_code == 403
    assert alice.post(DEVICE, {**yes, "csrf": ""}).status_code == 403
    stranger = Person(any_site)
    stranger.get(SIGN_IN)
    assert stranger.post(DEVICE, yes).status_code == 403
    assert everything(any_site)["device_authorizations"] == before["device_authorizations"]


def test_who_has_signed_out_meanwhile_decides_nothing(any_site):
    """Their own browser could make the token of a form: the session is what counts."""
    codes = ask(any_site, television(any_site))
    nobody = Person(any_site)
    nobody.get(SIGN_IN)
    bare = codes.user_code.replace("-", "")
    who = browser.Visitor(None, "", nobody.cookie("perennial_forms") or "", forms_is_new=False)
    for form in (
        {"user_code": bare, "csrf": who.token("device ")},
        {"request": bare, "decision": "allow", "csrf": who.token(f"device {bare}")},
    ):
        answer = nobody.post(DEVICE, form)
        assert urlsplit(answer.location or "").path == SIGN_IN
    assert decided(any_site) == [None]


def test_the_first_decision_stands(any_site):
    codes = ask(any_site, television(any_site))
    alice, bob = somebody(any_site), somebody(any_site, "bob")
    no = Page(type_code(bob, codes.user_code).text)
    assert decide(alice, codes.user_code).status_code == 200
    late = bob.post(no.action, {**no.fields, "decision": "deny"})
    assert late.status_code == 400
    assert "no device shows" in problem(late)
    found = claims(codes.poll().json["access_token"])
    assert found["sub"] != bob.username
    assert codes.poll().json["error"] == "invalid_grant"


def test_a_decision_between_the_look_and_the_write_is_refused(any_site, monkeypatch):
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    page = Page(type_code(alice, codes.user_code).text)
    monkeypatch.setattr(store, "decide", lambda *_: False)
    answer = alice.post(page.action, {**page.fields, "decision": "allow"})
    assert answer.status_code == 400
    assert "device_decided" not in repr(everything(any_site)["audit"])


def test_a_code_is_no_good_after_ten_minutes_or_for_a_disabled_client(any_site):
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    page = Page(type_code(alice, codes.user_code).text)
    any_site.clock.advance(seconds=600)
    assert alice.post(page.action, {**page.fields, "decision": "allow"}).status_code == 400
    codes = ask(any_site, codes.client)
    clients.disable(any_site.run, codes.client.client)
    any_site.clock.advance(seconds=6)
    assert "no device shows" in problem(type_code(alice, codes.user_code))
    assert decided(any_site) == [None, None]


def test_a_typing_error_is_not_held_against_anybody(site):
    codes = ask(site, television(site))
    alice = somebody(site)
    for typed in ("", "BCDF", "1234-5678", "x" * 100) * 10:
        answer = type_code(alice, typed)
        assert answer.status_code == 400
        assert "eight letters" in problem(answer)
    assert decide(alice, codes.user_code).status_code == 200


@pytest.mark.clause("rfc8628-5.1-01", "rfc8628-5.1-02")
def test_five_wrong_codes_in_ten_minutes_and_a_browser_has_to_wait(any_site):
    site = any_site
    codes = ask(site, television(site))
    alice = somebody(site)
    question = Page(type_code(alice, codes.user_code).text)
    for _ in range(5):
        assert type_code(alice, WRONG).status_code == 400
    for answer in (
        type_code(alice, WRONG),
        type_code(alice, codes.user_code),
        alice.post(DEVICE, {**question.fields, "decision": "allow"}),
    ):
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "600")
        assert codes.client.client.name not in answer.text
    assert decided(site) == [None]
    site.clock.advance(seconds=600)
    assert decide(alice, ask(site, codes.client).user_code).status_code == 200


@pytest.mark.clause("rfc8628-5.1-02")
def test_wrong_codes_are_counted_for_the_account_whatever_the_browser(any_site):
    codes = ask(any_site, television(any_site))
    any_site.user()
    for _ in range(10):
        alice = Person(any_site)
        alice.sign_in()
        assert type_code(alice, WRONG).status_code == 400
    alice = Person(any_site)
    alice.sign_in()
    assert type_code(alice, codes.user_code).status_code == 429


@pytest.mark.clause("rfc8628-5.1-02")
def test_wrong_codes_are_counted_for_the_address_whatever_the_account(any_site):
    codes = ask(any_site, television(any_site))
    people = [somebody(any_site, f"user{number}") for number in range(11)]
    for person in people[:10]:
        for _ in range(5):
            assert type_code(person, WRONG).status_code == 400
    last = people[10]
    assert type_code(last, codes.user_code).status_code == 429
    page = Page(last.get(DEVICE).text)
    elsewhere = last.post(
        DEVICE,
        {**page.fields, "user_code": codes.user_code},
        environ_base={"REMOTE_ADDR": "198.51.100.7"},
    )
    assert elsewhere.status_code == 200


def test_a_burst_of_guesses_is_not_told_which_of_them_was_right(any_site, monkeypatch):
    """The window fills between the look and the answer."""
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    find = store.find_open

    def slowly(connection, digest, now):
        found = find(connection, digest, now)
        monkeypatch.setattr(store, "find_open", find)
        for _ in range(5):
            type_code(alice, WRONG)
        return found

    page = Page(alice.get(DEVICE).text)
    monkeypatch.setattr(store, "find_open", slowly)
    answer = alice.post(DEVICE, {**page.fields, "user_code": codes.user_code})
    assert answer.status_code == 429


@pytest.mark.clause("rfc6749-10.12-01", "rfc9700-4.16-01")
def test_a_page_is_guarded_like_every_other(site):
    alice = somebody(site)
    answer = alice.get(DEVICE)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "form-action 'self';" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers
    for wrong in ("?user_code=a&user_code=b", "?user_code=%zz"):
        assert alice.get(DEVICE + wrong).status_code == 400
    assert alice.browser.delete(DEVICE).mimetype == "text/html"
    for attributes in Page(answer.text).all("input"):
        assert attributes.get("type") == "hidden" or attributes.get("id")


def test_a_code_is_in_no_log_and_no_row_whatever_is_typed(any_site, capsys):
    codes = ask(any_site, television(any_site))
    alice = somebody(any_site)
    alice.get(codes.told["verification_uri_complete"])
    type_code(alice, WRONG)
    decide(alice, codes.user_code)
    kept = repr(everything(any_site)) + capsys.readouterr().err
    assert "device_decided" in kept
    assert "user_code_refused" in kept
    for code in (codes.user_code, WRONG):
        assert code not in kept
        assert code.replace("-", "") not in kept
