"""The backend of docs/client/fastapi.md, with people's browsers, and its table in a real PostgreSQL."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import text

from clients.conformance import Conformance
from clients.python.tests.docs.pages import run
from perennial import Session
from tests.guides import block

PAGE = "client/fastapi.md"
CLUB = "http://127.0.0.1:5000"


@pytest.fixture
def authority():
    with Conformance() as running:
        yield running


@pytest.fixture
def club(authority, tmp_path):
    """What the program defines."""
    names = {
        "https://id.example.com": authority.url,
        '"https://api.example.com"': f'"{authority.url}"',
        '"/films", auth': '"/api/films", auth',
        "https://club.example.com": CLUB,
        "https_only=True": "https_only=False",
        "sessions.db": str(tmp_path / "sessions.db"),
    }
    secrets = {"CLIENT_ID": "service", "CLIENT_SECRET": "service secret", "SECRET_KEY": "a test's"}
    return run(PAGE, names, 0, **secrets)


@pytest.fixture
def visit(club):
    """A browser at the running application."""

    @asynccontextmanager
    async def open_browser():
        app = club["app"]
        transport = httpx.ASGITransport(app)
        async with (
            club["lifespan"](app),
            httpx.AsyncClient(transport=transport, base_url=CLUB) as browser,
        ):
            yield browser

    return open_browser


async def sign_in(browser, name="ana"):
    asked = await browser.get("/sign-in")
    async with httpx.AsyncClient() as elsewhere:
        said = await elsewhere.get(asked.headers["Location"] + f"&login_hint={name}")
    return await browser.get(said.headers["Location"])


def test_each_person_sees_what_is_theirs(visit):
    async def journey():
        async with visit() as one, visit() as other:
            assert (await one.get("/films")).status_code == 401
            assert (await sign_in(one)).headers["Location"] == "/films"
            await sign_in(other, "bea")
            return [(await each.get("/films")).json()["user"] for each in (one, other)]

    assert asyncio.run(journey()) == ["ana", "bea"]


def test_many_requests_of_a_person_share_one_refresh(visit, authority):
    async def journey():
        async with visit() as browser:
            await sign_in(browser)
            authority.expire_access()
            return await asyncio.gather(*(browser.get("/films") for _ in range(20)))

    assert {answer.status_code for answer in asyncio.run(journey())} == {200}
    assert authority.log()["counts"]["rotations"] == 1


def test_another_process_shares_it_through_the_store(club, visit, authority):
    async def journey():
        async with visit() as browser:
            await sign_in(browser)
            club["session_of"].cache_clear()
            authority.expire_access()
            return await browser.get("/films")

    assert asyncio.run(journey()).status_code == 200
    assert authority.log()["counts"]["family_kills"] == 0


def test_signing_out_ends_the_session_and_says_so_to_the_next_request(visit, authority):
    async def journey():
        async with visit() as browser:
            await sign_in(browser)
            assert (await browser.post("/sign-out")).status_code == 303
            return await browser.get("/films")

    assert asyncio.run(journey()).json() == {"sign_in": f"{CLUB}/sign-in"}
    assert authority.log()["counts"]["alive"] == 0


def test_a_session_that_was_ended_elsewhere_asks_to_sign_in(visit, authority):
    async def journey():
        async with visit() as browser:
            await sign_in(browser)
            authority.revoke()
            return await browser.get("/films")

    assert asyncio.run(journey()).status_code == 401


def test_an_answer_that_nobody_asked_for_signs_nobody_in(visit, authority):
    async def journey():
        async with visit() as browser:
            stray = await browser.get("/cb?code=c&state=s")
            await browser.get("/sign-in")
            return stray, await browser.get("/cb?code=c&state=s")

    assert [answer.json()["not_signed_in"] for answer in asyncio.run(journey())] == [
        "invalid_answer",
        "state_mismatch",
    ]


def test_a_busy_server_is_for_later(visit, authority):
    async def journey():
        async with visit() as browser:
            await sign_in(browser)
            authority.expire_access()
            authority.fault("429", retry_after=120)
            return await browser.get("/films")

    answer = asyncio.run(journey())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 110


# --- the table ------------------------------------------------------------------------------------


@pytest.fixture
def table(postgresql):
    """What the second program defines, on a database of its own."""
    url = postgresql.create_database()
    made = run(PAGE, {}, 1, DATABASE_URL=url)
    with made["engine"].begin() as connection:
        connection.execute(text(block(PAGE, "sql", {})))
    yield made
    made["engine"].dispose()
    postgresql.drop_database(url)


def session_in(table, authority):
    return Session(issuer=authority.url, client_id="conformance", store=table["store_of"]("ana"))


def test_two_hosts_share_a_session_and_its_refresh(table, authority):
    one, other = session_in(table, authority), session_in(table, authority)
    one.sign_in_with_password("ana", "correct horse")
    leases = [one.lease(), other.lease()]
    authority.expire_access()
    with ThreadPoolExecutor() as crowd:
        renewed = list(crowd.map(lambda session, lease: session.renew(lease), (one, other), leases))
    assert renewed[0].access_token == renewed[1].access_token
    assert one.logout()
    assert other.restore().value == "signed_out"
    counts = authority.log()["counts"]
    assert (counts["rotations"], counts["replays"], counts["alive"]) == (1, 0, 0)


def test_the_lock_of_a_row_is_one_at_a_time_and_given_back(table):
    one, other = table["store_of"]("ana"), table["store_of"]("ana")
    with one.lock(1) as held, other.lock(0) as second, table["store_of"]("bea").lock(0) as third:
        assert (held, second, third) == (True, False, True)
    with other.lock(0) as held:
        assert held


def test_the_first_of_two_writers_wins(table):
    store, kept = table["store_of"]("ana"), table["Kept"]
    assert [store.swap(0, kept(1, "{}")), store.swap(0, kept(1, "{}"))] == [True, False]
    assert [store.swap(1, kept(2, "{}")), store.swap(1, kept(2, "{}"))] == [True, False]
    assert store.read() == kept(2, "{}")
