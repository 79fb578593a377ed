"""Who signed in a while ago enters their password again before they end anything."""

from urllib.parse import urlsplit

import pytest

from app.core.authorization import FRESH_FOR
from app.store import browser_sessions
from tests.pages.account import SESSIONS, Account, account, press, stale
from tests.pages.test_account import EVERYTHING, OTHERS, SAFARI, browsing, tokens
from tests.person import SIGN_IN, Page, Person, web_app
from tests.protocol.expect import everything

A_WHILE = FRESH_FOR // 1000 + 1
BUTTONS = ["End session", "Sign out", "Withdraw", OTHERS, EVERYTHING]


@pytest.fixture
def scene(any_site):
    """Alice in two browsers, each with a session of the album; both signed in a while ago."""
    any_site.user()
    client = web_app(any_site, scope="photos:read")
    here, there = browsing(any_site), browsing(any_site, agent=SAFARI)
    mine, other = tokens(here, client), tokens(there, client)
    any_site.clock.advance(seconds=A_WHILE)
    return client, here, there, mine, other


def asked(answer) -> dict[str, str]:
    """The fields of the page that asks for the password."""
    page = Page(answer.text)
    assert "Confirm that it is you" in page.text, answer.text
    assert "password" in page.fields
    assert page.action.endswith(SESSIONS)
    return page.fields


def confirm(person, form, **more):
    return person.post(SESSIONS, {**form, "password": person.password, **more})


@pytest.mark.clause("asvs5-v7-7.5.2-01")
@pytest.mark.parametrize("button", BUTTONS)
def test_nothing_ends_before_the_password_and_the_same_does_after_it(scene, button):
    client, here, there, mine, other = scene
    site = here.site
    word = [button, "Safari"] if button in {"End session", "Sign out"} else [button]
    form = account(here).form(*word)
    before = everything(site)
    question = here.post(SESSIONS, form)
    assert question.status_code == 200
    assert everything(site) == before
    assert confirm(here, asked(question)).status_code == 200
    if button == "Sign out":
        assert there.get(SESSIONS).status_code == 303
    else:
        assert stale(site.refresh(client, other))
    reached = button in {"Withdraw", EVERYTHING}
    assert site.refresh(client, mine).status_code == (400 if reached else 200)
    assert here.get(SESSIONS).status_code == (303 if button == EVERYTHING else 200)


def test_who_has_signed_in_lately_is_not_asked(any_site):
    any_site.user()
    alice = browsing(any_site)
    tokens(alice, web_app(any_site))
    any_site.clock.advance(seconds=FRESH_FOR / 1000)
    assert "The session has ended." in press(alice, "End session").text


def test_after_the_password_nobody_is_asked_again_for_a_while(scene):
    _, here, *_ = scene
    confirm(here, asked(press(here, "End session", "Safari")))
    here.site.clock.advance(seconds=FRESH_FOR / 1000)
    assert "is withdrawn" in press(here, "Withdraw").text
    here.site.clock.advance(seconds=1)
    asked(press(here, OTHERS))


@pytest.mark.clause("asvs5-v7-7.2.4-01")
def test_it_is_the_same_session_with_another_cookie(scene, capsys):
    client, here, _, mine, _ = scene
    site, old = here.site, here.cookie("perennial_session")
    question = press(here, OTHERS)
    capsys.readouterr()
    done = Account(confirm(here, asked(question)).text)
    assert '"event": "browser_confirmed"' in capsys.readouterr().err
    assert here.cookie("perennial_session") != old
    thief = Person(site)
    thief.browser.set_cookie("__Host-perennial_session", old, domain="id.example.com", secure=True)
    assert thief.get(SESSIONS).status_code == 303
    done.item("Firefox on Windows", "This browser")
    done.item("Photo album", "this browser")
    assert site.refresh(client, mine).status_code == 200, "it began in this browser"


def test_a_session_ends_when_it_would_have_ended_without_the_password(any_site):
    any_site.user()
    alice = Person(any_site)
    alice.sign_in(remember_me="yes")
    any_site.clock.advance(seconds=3600)
    done = confirm(alice, asked(press(alice, OTHERS)))
    lasting = any_site.run.settings.remember_me_ttl - 3600
    assert f"Max-Age={lasting}" in done.headers["Set-Cookie"]
    any_site.clock.advance(seconds=20 * 86_400)
    assert alice.get(SESSIONS).status_code == 200
    any_site.clock.advance(seconds=lasting - 20 * 86_400)
    assert alice.get(SESSIONS).status_code == 303


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_ends_nothing_and_loses_nothing(scene, password):
    client, here, _, _, other = scene
    question = asked(press(here, "End session", "Safari"))
    before = everything(here.site)
    again = confirm(here, question, password=password)
    assert again.status_code == (400 if password else 200)
    assert everything(here.site) == before
    assert asked(again) == question
    alerts = [tag for tag in Page(again.text).all("p") if tag.get("role") == "alert"]
    assert len(alerts) == bool(password)
    assert "The session has ended." in confirm(here, asked(again)).text
    assert stale(here.site.refresh(client, other))


def test_guesses_are_counted_together_with_those_at_the_sign_in(site):
    site.user()
    alice = browsing(site)
    site.clock.advance(seconds=A_WHILE)
    question = asked(press(alice, OTHERS))
    for _ in range(20):
        confirm(alice, question, password="wrong")
    answer = confirm(alice, question)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    other = Person(site)
    other.browser.environ_base |= {"REMOTE_ADDR": "203.0.113.9"}
    assert other.sign_in().status_code == 429
    site.clock.advance(seconds=60)
    assert confirm(alice, question).status_code == 200


@pytest.mark.clause("rfc6749-10.12-01")
def test_a_password_is_no_way_around_the_token_of_the_form(scene):
    client, here, _, _, other = scene
    form = asked(press(here, OTHERS))
    assert confirm(here, form, csrf="").status_code == 403
    link = here.get(SESSIONS, query_string={**form, "password": here.password})
    assert "Confirm" not in link.text
    assert here.site.refresh(client, other).status_code == 200


def test_what_has_ended_meanwhile_cannot_be_confirmed(scene, monkeypatch, capsys):
    """Signed out from elsewhere between the look and the write."""
    client, here, _, _, other = scene
    form = asked(press(here, EVERYTHING))
    monkeypatch.setattr(browser_sessions, "renew", lambda *_: False)
    answer = confirm(here, form)
    assert urlsplit(answer.location).path == SIGN_IN
    assert "browser_confirmed" not in capsys.readouterr().err
    assert here.site.refresh(client, other).status_code == 200


def test_what_no_button_says_asks_for_no_password(scene):
    _, here, *_ = scene
    form = account(here).form(OTHERS)
    assert here.post(SESSIONS, {**form, "do": "delete"}).status_code == 400
