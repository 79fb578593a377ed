"""People see who is signed in as them, end what they like, and take back what they allowed."""

from urllib.parse import urlsplit

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from app.core.device import GRANT as DEVICE
from tests.features.device.living_room import ask, decide
from tests.features.session_api.conftest import App, own_client
from tests.pages.account import SESSIONS, Account, account, press, stale
from tests.person import CALLBACK, CONSENT, SIGN_IN, SIGN_OUT, Page, Person, exchange, web_app
from tests.protocol.expect import everything
from tests.site import ISSUER

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
EVERYTHING = "End everything"
OTHERS = "End all others"


def browsing(site, name="alice", agent=FIREFOX, address="203.0.113.9") -> Person:
    """A person who has just signed in with this program."""
    person = Person(site, name)
    person.browser.environ_base |= {"HTTP_USER_AGENT": agent, "REMOTE_ADDR": address}
    person.sign_in()
    return person


def tokens(person, client) -> str:
    """The refresh token of a session that the client began by this person's browser."""
    return exchange(person.site, client, person.code(client)).json["refresh_token"]


def audited(site) -> list[tuple[str, ...]]:
    with site.run.rotations.connect() as connection:
        rows = connection.execute(text("SELECT event, client_id, detail FROM audit ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture
def scene(any_site):
    """Alice in two browsers, each with a session of the album, and Bob with one."""
    any_site.user()
    any_site.user("bob")
    client = web_app(any_site, scope="photos:read photos:write")
    here, there, bob = browsing(any_site), browsing(any_site, agent=SAFARI), Person(any_site, "bob")
    return client, here, there, bob


# --- what is to be seen ---------------------------------------------------------------------------


def test_this_browser_comes_first_whichever_was_seen_last(site):
    site.user()
    here = browsing(site)
    site.clock.advance(seconds=1)
    browsing(site, agent=SAFARI)
    first, second = account(here).items[:2]
    assert "This browser" in first
    assert "Safari" in second


def test_whoever_is_not_signed_in_comes_back_here_after_it(any_site):
    any_site.user()
    alice = Person(any_site)
    asked = alice.get(SESSIONS)
    assert (asked.status_code, urlsplit(asked.location).path) == (303, SIGN_IN)
    page = Page(alice.get(asked.location).text)
    assert not [value for value in page.fields.values() if "/" in value], "no address to change"
    assert page.action == ISSUER + SIGN_IN
    wrong = alice.sign_in_at(asked.location, password="wrong")
    again = {**Page(wrong.text).fields, "username": alice.username, "password": alice.password}
    back = alice.post(SIGN_IN, again)
    assert (back.status_code, back.location) == (303, ISSUER + SESSIONS)
    assert alice.get(back.location).status_code == 200
    assert alice.get(asked.location).location == ISSUER + SESSIONS, "who is signed in is not asked"


@pytest.mark.clause("rfc9700-2.1-02", "rfc6749-10.15-01")
@pytest.mark.parametrize(
    "word", ["https://evil.example", "//evil.example", "account/sessions", "x"]
)
def test_the_sign_in_leads_to_pages_of_ours_only(site, word):
    site.user()
    alice = Person(site)
    fields = Page(alice.get(f"{SIGN_IN}?for={word}").text).fields
    assert "for" not in fields
    typed = {"username": alice.username, "password": alice.password}
    answer = alice.post(SIGN_IN, {**fields, **typed, "for": word})
    assert (answer.status_code, answer.location) == (303, ISSUER + SIGN_IN)


@pytest.mark.clause("asvs5-v7-7.4.4-01", "rfc6819-5.2.2.4-01")
def test_every_session_is_listed_with_what_tells_it_from_others(scene):
    client, here, there, bob = scene
    site = here.site
    tokens(here, client)
    tokens(there, client)
    tokens(bob, client)
    App(site, own_client(site)).logged_in(device_name="Kitchen tablet")
    site.clock.advance(seconds=3600)
    seen = account(here)
    mine = seen.item("Firefox on Windows", "This browser", "203.0.113.*")
    assert "15 Jan 2027, 08:00 UTC" in mine
    assert "15 Jan 2027, 09:00 UTC" in mine, "seen just now"
    seen.item("Safari on iPhone", "203.0.113.*", "15 Jan 2027, 08:00 UTC")
    session = seen.item("Photo album", "photos:read photos:write", "this browser")
    assert "python" not in session.lower()
    seen.item("Photo album", "Began in Safari on iPhone")
    seen.item("Kitchen tablet")
    assert len(seen.buttons) == 1 + 3 + 1 + 2, "another browser, sessions, a consent, and for all"
    assert "203.0.113.9" not in here.get(SESSIONS).text


def test_what_is_over_and_what_is_others_is_not_listed(scene):
    client, here, _, bob = scene
    tokens(bob, client)
    here.site.clock.advance(seconds=13 * 3600)
    here.sign_in()
    seen = account(here)
    assert len(seen.items) == 1
    assert set(seen.buttons) == {f"{OTHERS}", f"{EVERYTHING}, this browser included"}


def test_a_name_that_others_chose_is_text(site):
    site.user()
    markup = '"><script src="https://evil.example/x.js"></script>'
    alice = browsing(site, agent=markup)
    tokens(alice, web_app(site, name=markup))
    App(site, own_client(site)).logged_in(device_name=markup[:60])
    assert "<script" not in alice.get(SESSIONS).text


def test_the_page_reads_well_without_eyes(site):
    site.user()
    alice = browsing(site)
    tokens(alice, web_app(site))
    page = Page(alice.get(SESSIONS).text)
    assert [name for name, _ in page.tags if name in {"h1", "h2"}] == ["h1", "h2", "h2", "h2", "h2"]
    headings = {attrs.get("id") for name, attrs in page.tags if name in {"h2", "h3"}}
    assert all(attrs["aria-labelledby"] in headings for attrs in page.all("ul"))
    assert not any("tabindex" in attrs for _, attrs in page.tags)
    assert all((time["datetime"] or "").endswith("Z") for time in page.all("time"))
    done = Page(press(alice, "Withdraw").text)
    assert [attrs for _, attrs in done.tags if attrs.get("role") == "status"]
    assert "status" not in alice.get(SESSIONS).text


def test_other_pages_lead_here(site):
    site.user()
    alice = browsing(site)
    for path in (SIGN_OUT, SIGN_IN):
        assert {"href": ISSUER + SESSIONS} in Page(alice.get(path).text).all("a")
    assert {"href": SESSIONS} in Page(alice.get("/").text).all("a")


# --- ending ---------------------------------------------------------------------------------------


@pytest.mark.clause("rfc6819-5.2.2.4-01", "asvs5-v10-10.4.9-01")
def test_one_session_is_ended_and_the_others_go_on(scene, capsys):
    client, here, there, _ = scene
    lost, kept = tokens(there, client), tokens(here, client)
    capsys.readouterr()
    answer = press(here, "End session", "Safari on iPhone")
    assert answer.status_code == 200
    assert "The session has ended." in answer.text
    log = capsys.readouterr().err
    assert log.count('"event": "session_ended"') == 1
    assert audited(here.site)[-1] == ("session_ended", client.client.client_id, "signed_out")
    assert stale(here.site.refresh(client, lost))
    assert here.site.refresh(client, kept).status_code == 200
    assert len([item for item in account(here).items if "Began in" in item]) == 1


def test_ending_what_has_ended_changes_nothing_more(scene):
    client, here, there, _ = scene
    tokens(there, client)
    form = account(here).form("End session")
    assert here.post(SESSIONS, form).status_code == 200
    before = everything(here.site)
    assert here.post(SESSIONS, form).status_code == 200
    assert everything(here.site) == before


def test_another_browser_is_signed_out(scene, capsys):
    client, here, there, _ = scene
    pending = there.code(client)
    capsys.readouterr()
    assert press(here, "Sign out", "Safari on iPhone").status_code == 200
    assert '"event": "browser_signed_out"' in capsys.readouterr().err
    assert audited(here.site)[-1] == ("browser_signed_out", None, "signed_out")
    assert there.get(SESSIONS).status_code == 303
    assert here.get(SESSIONS).status_code == 200
    assert exchange(here.site, client, pending).status_code == 400, "nor does its code begin one"


@pytest.mark.clause("rfc6819-5.2.2.4-01", "asvs5-v7-7.4.3-01")
def test_all_others_end_and_this_browser_stays(scene, capsys):
    client, here, there, bob = scene
    site = here.site
    mine, other, bobs = tokens(here, client), tokens(there, client), tokens(bob, client)
    password = site.client()
    elsewhere = site.sign_in(password)["refresh_token"]
    pending = there.code(client)
    capsys.readouterr()
    assert press(here, OTHERS).status_code == 200
    log = capsys.readouterr().err
    assert log.count('"event": "session_ended"') == 2
    assert log.count('"event": "browser_signed_out"') == 1
    assert [event for event, *_ in audited(site)[-3:]].count("session_ended") == 2
    assert stale(site.refresh(client, other))
    assert stale(site.refresh(password, elsewhere))
    assert site.refresh(client, mine).status_code == 200
    assert site.refresh(client, bobs).status_code == 200
    assert there.get(SESSIONS).status_code == 303
    assert bob.get(SESSIONS).status_code == 200
    assert exchange(site, client, pending).status_code == 400
    assert len(account(here).items) == 3


@pytest.mark.clause("rfc6819-5.2.2.4-01", "asvs5-v7-7.4.3-01")
@pytest.mark.parametrize(
    "buttons", [("Sign out", "Safari on iPhone"), (OTHERS,), ("Withdraw", "Photo album")]
)
def test_what_a_device_was_allowed_and_has_not_collected_is_taken_back(scene, buttons):
    """By a browser that was stolen, for example, a moment before it was signed out."""
    _, here, there, bob = scene
    site = here.site
    client = web_app(site, DEVICE, scope="photos:read photos:write")
    there.code(client)
    bob.sign_in()
    hers, collected, bobs = (ask(site, client) for _ in range(3))
    for person, codes in ((there, hers), (there, collected), (bob, bobs)):
        assert decide(person, codes.user_code).status_code == 200
    assert collected.poll().status_code == 200
    assert press(here, *buttons).status_code == 200
    assert hers.later().json["error"] == "access_denied"
    assert bobs.poll().status_code == 200
    assert collected.later().json["error"] == "invalid_grant"


@pytest.mark.clause("rfc6819-5.2.2.4-01")
def test_everything_ends_with_this_browser_included(scene, capsys):
    client, here, there, bob = scene
    ended = [tokens(here, client), tokens(there, client)]
    bobs = tokens(bob, client)
    capsys.readouterr()
    answer = press(here, EVERYTHING)
    assert (answer.status_code, "Signed out" in answer.text) == (200, True)
    assert "__Host-perennial_session=; " in str(answer.headers)
    assert '"event": "user_sessions_ended"' in capsys.readouterr().err
    assert audited(here.site)[-1] == ("user_sessions_ended", None, "signed_out_everywhere")
    for token in ended:
        assert stale(here.site.refresh(client, token))
    assert here.site.refresh(client, bobs).status_code == 200
    for person in (here, there):
        assert person.get(SESSIONS).status_code == 303
    assert bob.get(SESSIONS).status_code == 200


# --- consents -------------------------------------------------------------------------------------


def test_a_consent_that_is_withdrawn_ends_what_it_allowed(scene, capsys):
    client, here, there, bob = scene
    site = here.site
    mine, other, bobs = tokens(here, client), tokens(there, client), tokens(bob, client)
    diary = web_app(site, name="Diary", scope="")
    kept = tokens(here, diary)
    assert urlsplit(here.ask(client).location).netloc == urlsplit(CALLBACK).netloc, "not asked"
    pending = here.code(client)
    seen = account(here)
    seen.item("Photo album", "Since 15 Jan 2027", "photos:read photos:write")
    assert "May" not in seen.item("Diary", "Withdraw")
    capsys.readouterr()
    assert press(here, "Withdraw", "Photo album").status_code == 200
    log = capsys.readouterr().err
    assert log.count('"event": "consent_withdrawn"') == 1
    assert log.count('"event": "session_ended"') == 2
    assert ("consent_withdrawn", client.client.client_id, "") in audited(site)
    for token in (mine, other):
        assert stale(site.refresh(client, token))
    assert exchange(site, client, pending).status_code == 400
    assert site.refresh(client, bobs).status_code == 200
    assert site.refresh(diary, kept).status_code == 200
    assert urlsplit(here.ask(client).location).path == CONSENT, "asked again"
    assert urlsplit(bob.ask(client).location).netloc == urlsplit(CALLBACK).netloc
    assert not [item for item in account(here).items if "Photo album" in item]


@pytest.mark.parametrize("struck", [1, 2, 3])
def test_a_consent_goes_with_its_sessions_or_not_at_all(scene, struck):
    """The database goes away before one of the transactions; whoever tries again has it done."""
    client, here, there, _ = scene
    site = here.site
    token = tokens(there, client)
    form = account(here).form("Withdraw", "Photo album")
    begun = []

    def strike(_):
        begun.append(None)
        if len(begun) == struck:
            raise OperationalError("BEGIN", {}, OSError("struck"))

    event.listen(site.run.transactions, "engine_connect", strike)
    here.post(SESSIONS, form)
    event.remove(site.run.transactions, "engine_connect", strike)
    consents = [item for item in account(here).items if "Withdraw" in item]
    if consents:
        assert here.post(SESSIONS, form).status_code == 200
    assert stale(site.refresh(client, token))


def test_what_was_allowed_at_a_resource_server_is_said(site):
    site.user()
    notes = "https://notes.example.com"
    site.client(resource=notes)
    alice, client = browsing(site), web_app(site)
    alice.code(client, resource=notes)
    assert f"May read write At {notes} Withdraw" in account(alice).item("Photo album")


def test_a_code_redeemed_before_the_withdrawal_is_still_known_as_used(scene):
    client, here, _, _ = scene
    used = here.code(client)
    assert exchange(here.site, client, used).status_code == 200
    press(here, "Withdraw", "Photo album")
    assert exchange(here.site, client, used).status_code == 400
    with here.site.run.rotations.connect() as connection:
        assert len(connection.execute(text("SELECT * FROM authorization_codes")).all()) == 1


# --- what is not one's own ------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["end", "sign-out", "withdraw"])
def test_what_is_anothers_is_as_unknown_as_nothing(scene, act):
    client, here, _, bob = scene
    site = here.site
    tokens(here, client)
    tokens(bob, client)
    diary = web_app(site, name="Diary")
    tokens(bob, diary)
    word = {"end": "End session", "sign-out": "Sign out", "withdraw": "Withdraw"}[act]
    form = account(here).form(word)
    assert form["do"] == act
    browsing(site, "bob")
    his = account(bob).form(word, *([] if act == "sign-out" else ["Diary"]))["id"]
    before = everything(site)
    pages = set()
    for unknown in (his, "0" * 32, his.upper() + "x", "", "\u00e9", "a" * 4000, form["csrf"]):
        answer = here.post(SESSIONS, {**form, "id": unknown})
        assert answer.status_code == 404
        number = answer.headers["X-Request-ID"]
        pages.add(answer.text.replace(number, ""))
    assert len(pages) == 1, "one answer for all of them"
    assert everything(site) == before


@pytest.mark.parametrize("act", ["", "END", "delete", "end "])
def test_what_no_button_says_is_not_done(scene, act):
    client, here, _, _ = scene
    tokens(here, client)
    form = account(here).form("End session")
    before = everything(here.site)
    assert here.post(SESSIONS, {**form, "do": act}).status_code == 400
    assert everything(here.site) == before


@pytest.mark.clause("rfc6749-10.12-01")
@pytest.mark.parametrize("act", ["end", "end-others", "end-everything"])
def test_a_link_ends_nothing(scene, act):
    client, here, _, _ = scene
    tokens(here, client)
    form = account(here).form("End session") | {"do": act}
    before = everything(here.site)
    here.get(SESSIONS, query_string=form)
    assert everything(here.site) == before


def test_a_session_that_has_ended_can_end_no_other(scene):
    client, here, there, _ = scene
    token = tokens(here, client)
    form = account(there).form(OTHERS)
    press(here, "Sign out", "Safari on iPhone")
    assert there.post(SESSIONS, form).status_code == 403
    assert here.site.refresh(client, token).status_code == 200
    assert Account(here.get(SESSIONS).text).items
