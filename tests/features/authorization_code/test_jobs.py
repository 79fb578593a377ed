"""What was begun in a browser and is over leaves the database by itself."""

from app.features.authorization_code import FEATURE
from app.services.jobs import Worker
from app.store.authorizations import KEPT
from tests.person import Person, web_app
from tests.protocol.expect import everything

TABLES = ("authorization_requests", "authorization_codes", "browser_sessions")


def counted(site) -> dict[str, int]:
    rows = everything(site)
    return {name: len(rows[name]) for name in TABLES}


def test_requests_codes_and_sign_ins_go_when_their_time_has_come(make_any_site):
    site = make_any_site(browser_session_ttl=3600, remember_me_ttl=3600)
    site.user()
    client = web_app(site)
    worker = Worker(site.run, FEATURE.jobs)
    Person(site).ask(client)
    Person(site).code(client)
    before = counted(site)
    assert all(before.values()), before
    worker.round()
    assert counted(site) == before, "nothing is over yet"
    site.clock.advance(seconds=3600)
    worker.round()
    assert counted(site) == {**before, "authorization_requests": 0, "browser_sessions": 0}
    site.clock.advance(seconds=KEPT / 1000)
    worker.round()
    assert not any(counted(site).values())
