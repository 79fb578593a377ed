"""A grant that is overtaken, between its look and its write, by somebody who ends what it rests on."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from app.features.users import use_case as users
from app.protocol import own_account
from tests.features.device.living_room import ask, decide, television
from tests.features.session_api.conftest import App, own_client
from tests.pages.account import press
from tests.pages.test_account import SAFARI, browsing
from tests.person import CALLBACK, Person, answer_of, exchange, web_app
from tests.races.crowd import HUNG
from tests.site import PASSWORD


class Gate:
    """Holds the first transaction of a site before it begins, until `open`."""

    def __init__(self, site) -> None:
        self.reached, self._opened = threading.Event(), threading.Event()
        event.listen(site.run.transactions, "engine_connect", self._hold)

    def _hold(self, _) -> None:
        if not self.reached.is_set():
            self.reached.set()
            assert self._opened.wait(HUNG), "the gate was never opened"

    def open(self) -> None:
        self._opened.set()


def overtaken(site, slow, meanwhile):
    """What `slow` came to at this site, when `meanwhile` happened while it was about to write."""
    gate = Gate(site)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(slow)
        try:
            assert gate.reached.wait(HUNG)
            meanwhile()
        finally:
            gate.open()
        return answer.result(HUNG)


@pytest.fixture
def hosts(make_any_site):
    """Two on the same data: one that will be overtaken, one where others act."""
    slow, quick = make_any_site(), make_any_site()
    slow.user()
    return slow, quick


def rows(site, query):
    with site.run.rotations.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


# --- codes and devices ----------------------------------------------------------------------------

OTHERS = "End all others"
SIGN_OUT = ("Sign out", "Safari on iPhone")


@pytest.mark.clause("rfc6819-5.2.2.4-01", "asvs5-v7-7.4.3-01")
@pytest.mark.parametrize("buttons", [(OTHERS,), SIGN_OUT])
def test_a_browser_that_is_signed_out_meanwhile_is_given_no_code(hosts, buttons):
    slow, quick = hosts
    client = web_app(slow)
    there, here = browsing(slow, agent=SAFARI), browsing(quick)
    there.code(client)
    answer = overtaken(slow, lambda: there.ask(client), lambda: press(here, *buttons))
    assert (answer.status_code, answer.location) == (400, None)
    assert rows(slow, "SELECT * FROM authorization_codes WHERE redeemed_at IS NULL") == []


@pytest.mark.clause("rfc6819-5.2.2.4-01")
def test_a_consent_that_is_withdrawn_meanwhile_brings_no_code(hosts):
    slow, quick = hosts
    client = web_app(slow)
    there, here = browsing(slow, agent=SAFARI), browsing(quick)
    there.code(client)
    answer = overtaken(
        slow, lambda: there.ask(client), lambda: press(here, "Withdraw", "Photo album")
    )
    assert (answer.status_code, answer.location) == (400, None)
    assert rows(slow, "SELECT * FROM authorization_codes WHERE redeemed_at IS NULL") == []


@pytest.mark.clause("rfc6819-5.2.2.4-01", "asvs5-v7-7.4.3-01")
@pytest.mark.parametrize("buttons", [(OTHERS,), SIGN_OUT])
def test_a_browser_that_is_signed_out_meanwhile_allows_no_device_anything(hosts, buttons):
    slow, quick = hosts
    there, here = browsing(slow, agent=SAFARI), browsing(quick)
    codes = ask(slow, television(slow))
    answer = overtaken(slow, lambda: decide(there, codes.user_code), lambda: press(here, *buttons))
    assert answer.status_code == 400
    assert codes.later().json["error"] == "authorization_pending"


def test_what_is_decided_while_nobody_ends_anything_stands(hosts):
    """The same gate, with something else happening."""
    slow, quick = hosts
    client = web_app(slow)
    there, here = browsing(slow, agent=SAFARI), browsing(quick)
    there.code(client)
    answer = overtaken(slow, lambda: there.ask(client), here.sign_in)
    assert answer.location.startswith(CALLBACK)
    assert exchange(quick, client, answer_of(answer.location)["code"]).status_code == 200


# --- sessions -------------------------------------------------------------------------------------

ENDINGS = {
    "log out everywhere": lambda site, user: own_account.log_out_everywhere(site.run, user.id),
    "change the password": lambda site, user: users.set_password(site.run, user, PASSWORD * 2),
    "disable the user": lambda site, user: users.disable(site.run, user),
}


def with_password(site):
    client = site.client()
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    return lambda: site.token(client, **form)


def with_code(site):
    client = web_app(site)
    code = Person(site).code(client)
    return lambda: exchange(site, client, code)


def with_device(site):
    codes = ask(site, television(site))
    decide(browsing(site), codes.user_code)
    return codes.later


def at_the_api(site):
    app = App(site, own_client(site))
    return app.login


@pytest.mark.clause("rfc9700-4.14.2-08", "asvs5-v7-7.4.2-01")
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("begin", [with_password, with_code, with_device, at_the_api])
def test_no_session_begins_after_all_of_the_persons_were_ended(hosts, begin, ending):
    """It would be dead, but no status list would ever say so: those who mark rows have been there."""
    slow, quick = hosts
    begins = begin(slow)
    alice = users.find(quick.run, "alice")
    answer = overtaken(slow, begins, lambda: ENDINGS[ending](quick, alice))
    assert answer.status_code in {400, 503}, answer.text
    if answer.status_code == 503:
        assert answer.headers["Retry-After"] == "1"
    assert rows(quick, "SELECT sid FROM sessions WHERE revoked_at IS NULL") == []
