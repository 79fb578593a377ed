"""The listener on loopback: one answer, whoever else knocks, and nobody is left behind."""

import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from clients.python.tests.session.world import ISSUER
from perennial.book import State
from perennial.errors import SignInError
from perennial.loopback import Listener

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url, method="GET"):
    request = urllib.request.Request(url, method=method)
    try:
        with DIRECT.open(request, timeout=10) as page:
            return page.status, page.read().decode(), page.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


class Person:
    """Opens a URL as a browser does: in another thread. `before` is what else the browser does."""

    def __init__(self, before=lambda home, state: None, **said):
        self.before, self.said = before, said
        self.crowd = ThreadPoolExecutor(1)

    def __call__(self, url):
        asked = {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}
        self.home = asked["redirect_uri"]
        self.seen = self.crowd.submit(self.surf, asked["state"])

    def surf(self, state):
        self.before(self.home, state)
        said = {"code": "c0de", "state": state, "iss": ISSUER, **self.said}
        return get(f"{self.home}?{urlencode(said)}")

    @property
    def page(self):
        return self.seen.result(10)


def closed(home):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(home).port)) != 0


def test_the_answer_of_the_browser_signs_in(session, party):
    person = Person()
    session.sign_in_with_browser(open=person, timeout=10)
    assert session.token() == "a0"
    assert party.server.forms[0]["redirect_uri"] == person.home
    parts = urlsplit(person.home)
    assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/cb")
    assert closed(person.home)


def test_the_page_says_what_to_do_and_nothing_else(session):
    person = Person()
    session.sign_in_with_browser(open=person, timeout=10)
    status, page, headers = person.page
    assert status == 200
    assert "You may close this window" in page
    assert "c0de" not in page
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_others_who_knock_end_nothing(session):
    seen = []

    def knock(home, state):
        root = home.removesuffix("/cb")
        seen.extend(
            get(url, method)[0]
            for url, method in [
                (f"{root}/favicon.ico", "GET"),
                (f"{root}/cb/?state={state}&code=x", "GET"),
                (home, "GET"),
                (f"{home}?code=evil&state=guessed", "GET"),
                (f"{home}?code=evil&state=%C3%A4", "GET"),
                (f"{home}?code=evil&state=", "GET"),
                (f"{home}?code=evil&state={state}", "POST"),
            ]
        )

    session.sign_in_with_browser(open=Person(knock), timeout=10)
    assert seen == [404, 404, 400, 400, 400, 400, 501]
    assert session.token() == "a0"


def test_a_connection_that_says_nothing_keeps_nobody(session):
    silent = socket.socket()

    def connect(home, _):
        silent.connect(("127.0.0.1", urlsplit(home).port))

    with silent:
        session.sign_in_with_browser(open=Person(connect), timeout=10)
        assert session.token() == "a0"


def test_one_answer_is_taken():
    with Listener() as listener:
        assert get(f"{listener.redirect_uri}?state=")[0] == 400, "nobody is expected yet"
        listener.expect("s")
        assert get(f"{listener.redirect_uri}?state=s&code=first")[0] == 200
        assert get(f"{listener.redirect_uri}?state=s&code=second")[0] == 400
        assert listener.wait(10) == f"{listener.redirect_uri}?state=s&code=first"


def test_a_person_who_says_no_is_heard(session):
    person = Person(error="access_denied")
    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_browser(open=person, timeout=10)
    assert refusal.value.code == "access_denied"
    assert "failed" in person.page[1]
    assert closed(person.home)


@pytest.mark.parametrize(
    ("open_it", "code"), [(lambda _: None, "timed_out"), (lambda _: False, "no_browser")]
)
def test_nobody_who_comes_leaves_no_socket_behind(session, open_it, code):
    urls = []

    def note(url):
        urls.append(url)
        return open_it(url)

    with pytest.raises(SignInError) as refusal:
        session.sign_in_with_browser(open=note, timeout=0.01)
    assert refusal.value.code == code
    assert closed(parse_qs(urlsplit(urls[0]).query)["redirect_uri"][0])
    assert session.state is State.RESTORING


def test_a_browser_that_fails_leaves_no_socket_behind(session):
    urls = []

    def fail(url):
        urls.append(url)
        raise OSError("no display")

    with pytest.raises(OSError, match="display"):
        session.sign_in_with_browser(open=fail)
    assert closed(parse_qs(urlsplit(urls[0]).query)["redirect_uri"][0])


def test_it_works_in_any_thread(session):
    with ThreadPoolExecutor(1) as other:
        other.submit(session.sign_in_with_browser, open=Person(), timeout=10).result(20)
    assert session.token() == "a0"


def test_two_sign_ins_at_once_do_not_meet(party):
    sessions = [party.session(), party.session()]
    with ThreadPoolExecutor(2) as crowd:
        list(crowd.map(lambda each: each.sign_in_with_browser(open=Person(), timeout=10), sessions))
    assert {each.token() for each in sessions} == {"a0"}
