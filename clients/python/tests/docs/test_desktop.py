"""docs/client/desktop.md, with a window that only keeps what it was told to show."""

import keyring
import pytest

from clients.python.tests.docs.pages import numbers, run
from clients.python.tests.stores.backends import Ring
from perennial import Session, State
from perennial.prompts import browser as ask_in_browser

PAGE = "client/desktop.md"


@pytest.fixture
def ring(tmp_path, monkeypatch):
    made = Ring(tmp_path / "ring")
    monkeypatch.setattr(keyring, "get_keyring", lambda: made)
    return made


@pytest.fixture
def launch(names, ring):
    """The application, as it is after each start."""
    launched = []

    def launch():
        launched.append(run(PAGE, names, *numbers(PAGE)))
        return launched[-1]

    yield launch
    for each in launched:
        each["quit_now"]()


@pytest.fixture
def app(launch, browser):
    return launch()


def shown(app, last):
    """Everything since the last look, up to these words."""
    said = []
    while last not in said:
        said.append(app["changes"].get(timeout=30))
    return said


def test_a_person_signs_in_and_the_next_start_knows_them(app, launch, ring):
    app["start"]()
    app["sign_in"]()
    assert shown(app, "Signed in") == ["Sign in", "Signed in"]
    assert len(ring.tokens()) == 1
    again = launch()
    again["start"]()
    shown(again, "Signed in")
    again["session"].logout()
    shown(again, "Sign in")
    assert ring.tokens() == []


def test_a_locked_keyring_is_not_a_sign_in_page(app, launch, ring):
    app["sign_in"]()
    ring.locked = True
    again = launch()
    again["start"]()
    said = shown(again, "Please unlock your keyring.")
    assert not {"Sign in", "Signed in", "Please sign in again."} & set(said)
    assert again["session"].state is State.RESTORING
    ring.locked = False
    again["start"]()
    shown(again, "Signed in")


def test_the_next_token_is_fetched_before_it_is_needed(app, launch, pass_time, counts):
    app["sign_in"]()
    assert counts()["token_requests"] == 1
    pass_time(200)
    again = launch()
    shown(again, "Signed in")
    shown(again, "Signed in")
    assert again["session"].times.access_token_left > 200
    assert counts()["token_requests"] == 2


def test_without_a_network_a_person_stays_signed_in(app, launch, server, pass_time):
    app["sign_in"]()
    app["quit_now"]()
    pass_time(301)
    server.offline()
    again = launch()
    shown(again, "No connection. Your work is kept.")
    again["session"].close()  # what was tried without a network has ended
    assert again["session"].state is State.OFFLINE
    server.online()
    again["wake"]()
    shown(again, "Signed in")


def test_the_end_of_the_session_is_said_before_it_comes(app, server):
    server.configure(absolute=240)
    app["sign_in"]()
    shown(app, "You will be asked to sign in again in 4 minutes.")


def test_a_session_that_was_ended_elsewhere_asks_to_sign_in(app, server):
    app["sign_in"]()
    lease = app["session"].lease()
    server.revoke()
    with pytest.raises(Exception, match="session_ended"):
        app["session"].renew(lease)
    shown(app, "Please sign in again.")


def test_a_sign_in_that_fails_says_why(app, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    app["sign_in"]()
    assert shown(app, "That did not work: no_browser.")


def test_a_chain_asks_without_a_button(server, browser):
    session = Session(
        issuer=server.url, client_id="conformance", reauthenticators=[ask_in_browser()]
    )
    session.sign_in_with_browser()
    lease = session.lease()
    server.revoke()
    assert session.renew(lease).access_token != lease.access_token
    assert len(browser.opened) == 2


def test_quitting_keeps_the_session(app, launch):
    app["sign_in"]()
    app["quit_now"]()
    again = launch()
    again["start"]()
    assert again["session"].state is State.ACTIVE
