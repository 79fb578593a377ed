"""Ceremonies that had to wait, or that others overtook because a lock was lost."""

import contextlib

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from app.core.keyring import MARGIN, KeyState
from app.features.signing_keys import jobs
from app.services import key_ceremony
from app.services.keystore import UnavailableError
from tests.services.vaults import keys, private_files, sealed, signing, states

DAY = 24 * 3600


@pytest.fixture
def waits(monkeypatch):
    """`waits(site, seconds)`: the next ceremony of the site gets its locks that much later."""

    def patch(site, seconds):
        alone = key_ceremony.Ceremony.alone

        @contextlib.contextmanager
        def late(ceremony):
            site.clock.advance(seconds=seconds)
            with alone(ceremony):
                yield

        monkeypatch.setattr(key_ceremony.Ceremony, "alone", late)

    return patch


def test_a_key_is_dated_when_it_is_made_and_not_when_somebody_began_to_wait(hosts, waits):
    """Dated before, it would be thought known before every verifier has read it."""
    site = hosts.started()
    site.clock.advance(seconds=30 * DAY)
    waits(site, MARGIN / 1000 + 20)
    jobs.maintain(site.run)
    assert max(key.created_at for key in keys(site)) == site.clock()


def test_a_key_that_was_promoted_during_the_wait_is_not_retired(hosts, waits):
    site = hosts.started()
    now = site.clock()
    site.run.ceremony().rotate(at_once=False, called_at=now + 1, now=now)
    first = signing(site)
    waits(site, 340)
    assert site.run.ceremony().retire(first, site.clock()), "it has stopped signing meanwhile"


def test_a_compromise_is_never_taken_back_by_a_ceremony_that_began_before(hosts, monkeypatch):
    site, other = hosts.started(), hosts.another()
    for host in (site, other):
        host.clock.advance(seconds=400)
    bad = signing(site)
    vault = type(site.run.keystore.vault)
    make = vault.make
    overtaking = [True]

    def overtaken(self, alg):
        if overtaking and overtaking.pop():
            other.run.ceremony().compromise(bad, other.clock(), everything=False)
        return make(self, alg)

    monkeypatch.setattr(vault, "make", overtaken)
    # As when the connection that held the lock was cut.
    monkeypatch.setattr(key_ceremony.Ceremony, "alone", contextlib.nullcontext)
    now = site.clock()
    with pytest.raises(UnavailableError, match="changed meanwhile"):
        site.run.ceremony().rotate(at_once=True, called_at=now + 1, now=now)
    assert states(site) == ["active", "compromised", "next"]
    assert signing(site) == signing(other) != bad
    assert private_files(site) | sealed(site) == {
        key.kid for key in keys(site) if key.dropped_at is None
    }


def test_keys_whose_rows_cannot_be_written_leave_no_private_halves(hosts):
    """Or a database that is full for a day leaves thousands of them."""
    site = hosts.started()
    site.clock.advance(seconds=30 * DAY)
    before = private_files(site)

    def fail(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO signing_keys"):
            raise OperationalError(statement, {}, Exception("disk full"))

    event.listen(site.run.transactions, "before_cursor_execute", fail)
    for _ in range(3):
        with pytest.raises(OperationalError):
            jobs.maintain(site.run)
    event.remove(site.run.transactions, "before_cursor_execute", fail)
    assert private_files(site) == before
    jobs.maintain(site.run)
    assert KeyState.RETIRING in states(site)


def test_what_may_have_been_committed_is_kept(hosts):
    site = hosts.started()
    site.clock.advance(seconds=30 * DAY)
    before = private_files(site)

    def lost(_):
        raise OperationalError("COMMIT", {}, Exception("connection lost"))

    event.listen(site.run.transactions, "commit", lost)
    with pytest.raises(OperationalError):
        jobs.maintain(site.run)
    event.remove(site.run.transactions, "commit", lost)
    assert len(private_files(site)) == (len(before) + 1 if before else 0)
