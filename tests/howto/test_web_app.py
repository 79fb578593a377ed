"""The application of docs/howto/web-app.md, in front of a person and of a server with photos."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.flows.surfer import Surfer
from tests.guides import block
from tests.servers import free_port

PAGE = "howto/web-app.md"
ALBUM = "https://album.example.com"


class Photos(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Authorization"].removeprefix("Bearer ").encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def photos():
    """Shows the access token that it was sent."""
    with HTTPServer(("127.0.0.1", free_port()), Photos) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/photos"
        server.shutdown()
        thread.join()


@pytest.fixture
def account(register):
    return register(PAGE)


@pytest.fixture
def album(account, photos, monkeypatch):
    """What the program defines."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    changes = {"https://id.example.com": account.url, "https://photos.example.com/photos": photos}
    names = {
        "__name__": "album",
        "SECRET_KEY": "of this test",
        "CLIENT_ID": account.client_id,
        "CLIENT_SECRET": account.client_secret,
    }
    exec(block(PAGE, "python", changes), names)
    return names


@pytest.fixture
def browser(album):
    return album["app"].test_client()


def get(browser, path):
    return browser.get(path, base_url=ALBUM)


@pytest.fixture
def signed_in(browser, account):
    asked = get(browser, "/sign-in")
    with Surfer(account) as surfer:
        back = surfer.go(asked.location)
    assert get(browser, back.removeprefix(ALBUM)).location == "/"


def expire(album):
    (token,) = album["tokens"].values()
    token["expires_at"] = 1
    return token


def test_a_stranger_is_asked_to_sign_in(browser):
    assert get(browser, "/").location == "/sign-in"


def test_an_answer_of_another_server_is_refused(album, browser):
    asked = get(browser, "/sign-in")
    assert asked.location
    assert get(browser, "/cb?code=c&state=s&iss=https://evil.example").status_code == 400
    assert album["tokens"] == {}


def test_a_person_who_says_no_is_told_so(browser, account):
    with Surfer(account) as surfer:
        back = surfer.go(get(browser, "/sign-in").location, "deny")
    assert "Not signed in." in get(browser, back.removeprefix(ALBUM)).text


@pytest.mark.usefixtures("signed_in")
def test_the_access_token_is_renewed_when_it_expires(album, browser):
    first = get(browser, "/").text
    assert get(browser, "/").text == first == expire(album)["access_token"]
    second = get(browser, "/").text
    assert second != first
    assert [token["access_token"] for token in album["tokens"].values()] == [second]


@pytest.mark.usefixtures("signed_in")
def test_a_session_that_was_ended_elsewhere_is_over(album, browser, account, end_sessions):
    end_sessions(account)
    expire(album)
    assert "Not signed in." in get(browser, "/").text
    assert album["tokens"] == {}
    assert get(browser, "/").location == "/sign-in"


@pytest.mark.usefixtures("signed_in")
def test_signing_out_ends_the_session(album, browser, account, server):
    answer = browser.post("/sign-out", base_url=ALBUM)
    assert answer.location == f"{account.url}/sign-out"
    assert album["tokens"] == {}
    listed = server.cli("session", "list", "--user", account.username, "--json").stdout
    assert '"state": "session_ended"' in listed
