"""Three tabs of one browser that reload and reload, against a real server of two workers."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from tests.flows.caller import Account
from tests.flows.enrolment import beside, enrol
from tests.live import LiveServer

TABS, RELOADS = 3, 100
HALF_A_WINDOW = 30
COOKIE = "perennial_rt"


class Browser:
    """One cookie jar for all tabs, as browsers have it: the last answer to arrive is kept."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._jar = ""
        self._lock = threading.Lock()
        self.tokens: set[str] = set()

    def post(self, connection: HTTPConnection, call: str, **members: object) -> int:
        headers = {
            "Content-Type": "application/json",
            "Origin": self._account.url,
            "X-Session-Mode": "cookie",
            "X-Requested-With": "perennial",
        }
        with self._lock:
            headers["Cookie"] = self._jar
        connection.request("POST", f"/api/v1/auth/{call}", json.dumps(members), headers)
        answer = connection.getresponse()
        answer.read()
        pair = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        if pair.startswith(f"{COOKIE}=prn_rt_"):
            with self._lock:
                self._jar = pair
                self.tokens.add(pair)
        return answer.status

    def tab(self, reloads: int) -> list[int]:
        connection = HTTPConnection(urlsplit(self._account.url).netloc, timeout=20)
        try:
            return [self.post(connection, "refresh-token") for _ in range(reloads)]
        finally:
            connection.close()

    def login(self) -> int:
        connection = HTTPConnection(urlsplit(self._account.url).netloc, timeout=20)
        asked = {"username": self._account.username, "password": self._account.password}
        try:
            return self.post(connection, "login", **asked, client_id=self._account.client_id)
        finally:
            connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path):
    if request.param == "sqlite":
        with LiveServer(tmp_path, workers=2) as server:
            yield server
        return
    postgresql = request.getfixturevalue("postgresql")
    url = postgresql.create_database()
    with LiveServer(tmp_path, workers=2, database_url=url) as server:
        yield server
    postgresql.drop_database(url)


def reload_all(browser: Browser) -> list[int]:
    with ThreadPoolExecutor(TABS) as tabs:
        statuses = list(tabs.map(browser.tab, [RELOADS // 2] * TABS))
    return [status for each in statuses for status in each]


def generation(server: LiveServer) -> int:
    with beside(server) as run, run.rotations.connect() as connection:
        return connection.execute(text("SELECT gen FROM sessions")).scalar_one()


def test_three_tabs_that_reload_in_a_loop_stay_signed_in(server):
    """Three hundred refreshes: nobody is refused, and after the first rotation, which waits for
    nothing, the token changes at most once in half a window, however many ask.
    """
    browser = Browser(enrol(server, public=True, first_party=True))
    assert browser.login() == 200
    began = time.monotonic()
    assert set(reload_all(browser)) == {200}
    httpx.post(f"{server.url}/dev/clock", json={"advance": HALF_A_WINDOW}).raise_for_status()
    assert set(reload_all(browser)) == {200}
    passed = HALF_A_WINDOW + time.monotonic() - began
    assert 3 <= generation(server) <= 2 + passed // HALF_A_WINDOW
    assert len(browser.tokens) == generation(server)
