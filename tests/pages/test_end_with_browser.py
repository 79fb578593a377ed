"""What ends with a person's sign-in in a browser, and what goes on: the operator decides."""

from itertools import product
from urllib.parse import urlsplit

import pytest

from app.protocol import sign_in
from tests.features.device.living_room import ask, decide, television
from tests.pages.account import press, stale
from tests.person import SIGN_IN, SIGN_OUT, Page, Person, exchange, web_app

HOUR = 3600
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_out(person):
    return person.post(SIGN_OUT, Page(person.get(SIGN_OUT).text).fields)


def sign_out_elsewhere(person):
    """From another browser, on the page of one's sessions."""
    elsewhere = Person(person.site)
    elsewhere.sign_in()
    return press(elsewhere, "Sign out Firefox")


def tokens(person, client) -> dict[str, object]:
    return exchange(person.site, client, person.code(client)).json


@pytest.fixture
def make_scene(make_any_site):
    def make(policy="on", **settings):
        site = make_any_site(sessions_end_with_browser=policy, **settings)
        site.user()
        site.user("bob")
        alice = Person(site)
        alice.browser.environ_base |= {"HTTP_USER_AGENT": FIREFOX}
        return site, web_app(site), alice

    return make


ENDINGS = [sign_out, sign_out_elsewhere]


@pytest.mark.clause("asvs5-v7-7.1.3-01")
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_began_in_a_browser_ends_with_it(make_scene, ending, capsys):
    site, client, alice = make_scene()
    diary = web_app(site, name="Diary")
    mine, another = tokens(alice, client), tokens(alice, diary)
    elsewhere = tokens(Person(site), client)
    assert ending(alice).status_code == 200
    assert stale(site.refresh(client, mine["refresh_token"]))
    assert not site.introspect(client, mine["access_token"])["active"]
    assert stale(site.refresh(diary, another["refresh_token"]))
    assert site.refresh(client, elsewhere["refresh_token"]).status_code == 200
    log = capsys.readouterr().err
    assert log.count('"event": "session_ended"') == 2
    assert log.count('"event": "browser_signed_out"') == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_by_default_it_goes_on(make_scene, ending):
    site, client, alice = make_scene("off")
    mine = tokens(alice, client)
    assert ending(alice).status_code == 200
    assert site.refresh(client, mine["refresh_token"]).status_code == 200


@pytest.mark.parametrize("policy", ["on", "off"])
def test_the_page_says_beforehand_which_it_is(make_scene, policy):
    _, _, alice = make_scene(policy)
    alice.sign_in()
    page = " ".join(Page(alice.get(SIGN_OUT).text).text.split())
    assert ("signed out as well" in page) is (policy == "on")
    assert ("keep their own sessions" in page) is (policy == "off")


def unfetched(site, client, alice):
    """How to fetch what alice has allowed in her browser: a code, and a device's tokens."""
    codes, code = ask(site, television(site)), alice.code(client)
    decide(alice, codes.user_code)
    return lambda: exchange(site, client, code), codes.poll


@pytest.mark.parametrize(
    ("ending", "policy"), [*product(ENDINGS, ["on"]), (sign_out_elsewhere, "off")]
)
def test_what_nobody_has_fetched_begins_nothing_afterwards(make_scene, ending, policy):
    site, client, alice = make_scene(policy)
    redeem, poll = unfetched(site, client, alice)
    ending(alice)
    assert redeem().json["error"] == "invalid_grant"
    assert poll().json["error"] == "access_denied"


def test_by_default_who_signs_out_themselves_takes_nothing_back(make_scene):
    """In a browser that is not theirs, right after they have allowed a device of theirs something."""
    site, client, alice = make_scene("off")
    redeem, poll = unfetched(site, client, alice)
    sign_out(alice)
    assert redeem().status_code == 200
    assert poll().status_code == 200


@pytest.mark.parametrize(("policy", "until"), [("on", "15 Jan 2027"), ("off", "15 Apr 2027")])
def test_the_question_says_until_when(make_scene, policy, until):
    """Who is not remembered is signed out after half a day."""
    _, client, alice = make_scene(policy)
    question = alice.sign_in_at(alice.ask(client).location).location
    assert f"it ends on {until}" in " ".join(Page(alice.get(question).text).text.split())


@pytest.mark.parametrize("remember", [{}, {"remember_me": "yes"}])
@pytest.mark.parametrize("device", [True, False])
def test_no_session_outlives_the_sign_in_that_it_began_with(make_scene, remember, device):
    site, client, alice = make_scene(
        browser_session_ttl=10 * HOUR, remember_me_ttl=20 * HOUR, session_ttl=100 * HOUR
    )
    alice.sign_in(**remember)
    site.clock.advance(seconds=HOUR)
    if device:
        client = television(site)
        codes = ask(site, client)
        decide(alice, codes.user_code)
        answer = codes.poll().json
    else:
        answer = tokens(alice, client)
    left = (19 if remember else 9) * HOUR
    assert answer["authorization_expires_in"] == left
    assert answer["refresh_token_timeout"] == left
    site.clock.advance(seconds=left - 1)
    answer = site.refresh(client, answer["refresh_token"]).json
    assert answer["expires_in"] == 1
    site.clock.advance(seconds=1)
    assert site.refresh(client, answer["refresh_token"]).json["reason"] == "session_expired"


def test_a_code_outlives_its_sign_in_no_more_than_a_session_does(make_scene):
    site, client, alice = make_scene(browser_session_ttl=HOUR)
    alice.sign_in()
    site.clock.advance(seconds=HOUR - 1)
    code = alice.code(client)
    site.clock.advance(seconds=1)
    assert exchange(site, client, code).json["error"] == "invalid_grant"


def test_a_password_that_is_asked_for_again_ends_nothing(make_scene):
    """The application asked for it; the other one is none of its business."""
    site, client, alice = make_scene()
    diary = web_app(site, name="Diary")
    before, code = tokens(alice, diary), alice.code(diary)
    asked = alice.ask(client, prompt="login").location
    site.clock.advance(seconds=1)
    assert urlsplit(alice.sign_in_at(asked).location).path == "/consent"
    after = exchange(site, diary, code).json
    for token in (before, after):
        assert site.refresh(diary, token["refresh_token"]).status_code == 200
    sign_out(alice)
    assert stale(site.refresh(diary, after["refresh_token"]))
    assert not site.introspect(diary, before["access_token"])["active"], (
        "it is still the same browser"
    )


def test_whoever_else_signs_in_ends_what_was_there_before(make_scene):
    site, client, alice = make_scene()
    before, code = tokens(alice, client), alice.code(client)
    alice.username = "bob"
    old = alice.cookie("perennial_session")
    assert alice.sign_in_at(alice.ask(client, prompt="login").location).status_code == 303
    assert alice.cookie("perennial_session") != old
    assert stale(site.refresh(client, before["refresh_token"]))
    assert exchange(site, client, code).json["error"] == "invalid_grant"
    mine = tokens(alice, client)
    assert site.refresh(client, mine["refresh_token"]).status_code == 200


def test_two_sign_ins_of_one_browser_at_once_are_two_sessions(make_scene):
    """Both come with the cookie of the session before; one of them goes on with it."""
    site, client, alice = make_scene()
    before = tokens(alice, client)
    page = Page(alice.get(alice.ask(client, prompt="login").location).text)
    typed = {**page.fields, "username": alice.username, "password": alice.password}
    cookies = alice.browser._cookies.copy()
    assert alice.post(SIGN_IN, typed).status_code == 303
    first = alice.cookie("perennial_session")
    alice.browser._cookies = cookies
    alice.sign_in()
    assert alice.cookie("perennial_session") != first
    assert site.refresh(client, before["refresh_token"]).status_code == 200


@pytest.mark.parametrize("which", [0, 1])
def test_who_signs_out_while_tokens_are_being_made_gets_none(make_scene, monkeypatch, which):
    site, client, alice = make_scene()
    fetch = unfetched(site, client, alice)[which]
    make = sign_in.tokens

    def slowly(*args, **more):
        sign_out(alice)
        return make(*args, **more)

    monkeypatch.setattr(sign_in, "tokens", slowly)
    assert fetch().json["error"] == "invalid_grant"
    with site.run.rotations.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 0
