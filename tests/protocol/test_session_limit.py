"""`PERENNIAL_MAX_SESSIONS`: of one person at one client, the oldest ends."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.core.devices import UNSAID
from app.protocol import sign_in
from app.protocol.requested import Coverage
from app.store import sessions, users
from tests.protocol.expect import everything


@pytest.fixture
def limited(make_any_site):
    site = make_any_site(max_sessions=2)
    site.user()
    site.user("bob")
    return site, site.client()


def signed_in(site, client, times, name="alice") -> list[str]:
    tokens = []
    for _ in range(times):
        tokens.append(site.sign_in(client, name)["refresh_token"])
        site.clock.advance(seconds=1)
    return tokens


def reasons(site) -> list[str | None]:
    with site.run.rotations.connect() as connection:
        query = text("SELECT revoke_reason FROM sessions ORDER BY created_at")
        return list(connection.execute(query).scalars())


@pytest.mark.clause("asvs5-v7-7.1.2-01", "rfc6819-4.4.1.11-01")
def test_the_oldest_session_ends_when_one_more_begins(limited, capsys):
    site, client = limited
    first, second, third = signed_in(site, client, 3)
    refused = site.refresh(client, first)
    assert (refused.json["error"], refused.json["reason"]) == ("invalid_grant", "session_ended")
    assert site.refresh(client, second).status_code == 200
    assert site.refresh(client, third).status_code == 200
    assert reasons(site) == ["session_limit", None, None]
    (audited,) = [row for row in everything(site)["audit"] if "session_ended" in row]
    assert "session_limit" in audited
    told = [line for line in capsys.readouterr().err.splitlines() if '"session_ended"' in line]
    assert any('"why": "session_limit"' in line for line in told)


def test_the_oldest_is_the_one_that_began_first_however_much_it_is_used(limited):
    site, client = limited
    first, second = signed_in(site, client, 2)
    site.refresh(client, first)
    signed_in(site, client, 1)
    assert site.refresh(client, second).status_code == 200
    assert reasons(site) == ["session_limit", None, None]


def test_other_people_and_other_clients_have_limits_of_their_own(limited):
    site, client = limited
    signed_in(site, client, 2)
    signed_in(site, client, 2, "bob")
    signed_in(site, site.client(), 2)
    assert set(reasons(site)) == {None}


def test_sessions_that_are_over_do_not_count(limited):
    site, client = limited
    first, second = signed_in(site, client, 2)
    site.revoke(client, first)
    signed_in(site, client, 1)
    assert site.refresh(client, second).status_code == 200
    site.clock.advance(seconds=31 * 86_400)
    signed_in(site, client, 2)
    assert reasons(site).count("session_limit") == 0, "idle ones are over too"


def test_a_limit_that_was_lowered_ends_as_many_as_are_too_many(make_any_site):
    site = make_any_site()
    site.user()
    client = site.client()
    signed_in(site, client, 5)
    strict = make_any_site(max_sessions=2)
    strict.clock.now = site.clock()
    signed_in(strict, client, 1)
    assert reasons(site) == ["session_limit"] * 4 + [None, None]


def test_without_a_limit_nothing_ends(make_any_site):
    site = make_any_site()
    site.user()
    signed_in(site, site.client(), 5)
    assert set(reasons(site)) == {None}


def test_sign_ins_at_the_same_moment_do_not_slip_through(limited):
    """Each waits for the one before, so that it counts it."""
    site, client = limited
    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda _: site.sign_in(client), range(6)))
    assert reasons(site).count(None) == 2


def test_on_postgresql_too_one_sign_in_waits_for_the_other(make_postgresql_site):
    """SQLite has one writer at a time anyway."""
    site = make_postgresql_site(max_sessions=2)
    client = site.client()
    site.user()
    site.sign_in(client)
    (session,) = own_sessions_of(site)
    with site.run.transactions.begin() as first, site.run.transactions.begin() as second:
        sign_in.store(first, site.run, another(site, session), UNSAID)
        second.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            sign_in.store(second, site.run, another(site, session), UNSAID)
        second.rollback()


def another(site, session):
    client = site.run.registry.client(session.client_id, site.clock())
    with site.run.rotations.connect() as connection:
        user = users.known(connection, session.user_id)
    return sign_in.draft(site.run, client, user, Coverage("", ()), site.clock())


def own_sessions_of(site):
    with site.run.rotations.connect() as connection:
        return [session for session, _ in sessions.listing(connection)]
