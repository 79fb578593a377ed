"""What is long over leaves the database; what somebody may still ask about stays."""

import pytest
from sqlalchemy import func, select, text

from app.features.sessions import FEATURE
from app.features.sessions.jobs import PURGE
from app.services.jobs import Worker
from app.store import sessions
from app.store.audit import AuditRow
from app.store.denied_tokens import DeniedTokenRow
from app.store.sessions import SessionRow
from tests.console import Console

DAY = 86_400
ACCESS = 900
ABSOLUTE = 90 * DAY


@pytest.fixture
def client(any_site):
    any_site.user()
    return any_site.client()


def count(site, row) -> int:
    with site.run.rotations.connect() as connection:
        return connection.execute(select(func.count()).select_from(row)).scalar_one()


def purge(site) -> None:
    PURGE.work(site.run)


def advance(site, seconds) -> None:
    site.clock.advance(seconds=seconds)
    purge(site)


def test_an_ended_session_goes_a_day_after_its_last_token(any_site, client):
    token = any_site.sign_in(client)["refresh_token"]
    kept = any_site.sign_in(client)["refresh_token"]
    any_site.revoke(client, token)
    advance(any_site, DAY + ACCESS - 1)
    assert any_site.refresh(client, token).json["reason"] == "session_ended"
    advance(any_site, 1)
    assert count(any_site, SessionRow) == 1
    assert "reason" not in any_site.refresh(client, token).json, "as if it had never been"
    assert any_site.refresh(client, kept).status_code == 200


def test_an_expired_session_goes_a_day_after_its_last_token(any_site, client):
    any_site.sign_in(client)
    advance(any_site, ABSOLUTE + DAY + ACCESS - 1)
    assert count(any_site, SessionRow) == 1
    advance(any_site, 1)
    assert count(any_site, SessionRow) == 0


def test_an_idle_session_stays_to_its_absolute_end(any_site, client):
    """Its end may be an older copy's error: a token ahead of the row revives it (R8)."""
    any_site.sign_in(client)
    advance(any_site, 60 * DAY)
    assert count(any_site, SessionRow) == 1


def test_sessions_that_ended_with_their_person_go_as_well(any_site, client):
    any_site.sign_in(client)
    Console(any_site.app).done("session", "revoke-all", "--user", "alice")
    advance(any_site, DAY + ACCESS)
    assert count(any_site, SessionRow) == 0


def test_the_audit_is_kept(any_site, client):
    any_site.sign_in(client)
    (session,) = Console(any_site.app).json("session", "list")
    Console(any_site.app).done("session", "revoke", session["id"])
    before = count(any_site, AuditRow)
    advance(any_site, ABSOLUTE)
    assert (count(any_site, SessionRow), count(any_site, AuditRow)) == (0, before)


def test_a_denied_access_token_is_forgotten_once_it_has_expired(any_site, client):
    tokens = any_site.sign_in(client)
    any_site.revoke(client, tokens["access_token"])
    advance(any_site, ACCESS - 1)
    assert count(any_site, DeniedTokenRow) == 1
    advance(any_site, 1)
    assert count(any_site, DeniedTokenRow) == 0


def test_many_rows_go_in_batches_and_those_that_are_not_due_stay(any_site, client, monkeypatch):
    monkeypatch.setattr(sessions, "BATCH", 2)
    for _ in range(5):
        any_site.sign_in(client)
    with any_site.run.transactions.begin() as connection:
        connection.execute(text("UPDATE sessions SET purge_at = 1"))
    stays = any_site.sign_in(client)["refresh_token"]
    purge(any_site)
    assert count(any_site, SessionRow) == 1
    assert any_site.refresh(client, stays).status_code == 200


def test_what_was_done_is_told_once(any_site, client, capsys):
    token = any_site.sign_in(client)
    any_site.revoke(client, token["refresh_token"])
    any_site.revoke(client, token["access_token"])
    any_site.clock.advance(seconds=2 * DAY)
    capsys.readouterr()
    purge(any_site)
    purge(any_site)
    told = [line for line in capsys.readouterr().err.splitlines() if '"sessions_purged"' in line]
    assert len(told) == 1
    assert '"sessions": 1' in told[0]


def test_the_server_does_it_in_the_background(any_site, client):
    any_site.sign_in(client)
    any_site.clock.advance(seconds=ABSOLUTE + 2 * DAY)
    assert Worker(any_site.run, FEATURE.jobs).round()
    assert count(any_site, SessionRow) == 0
