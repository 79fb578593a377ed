"""A lease has one holder at a time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.store import leases

CROWD = 8


@pytest.fixture
def hold(any_site):
    def attempt(holder, now, until=None):
        with any_site.run.rotations.connect() as connection:
            return leases.hold(connection, "jobs", holder, now, until or now + 100)

    return attempt


def test_the_first_takes_it_and_keeps_it(hold):
    assert hold("a", 0)
    assert not hold("b", 50)
    assert hold("a", 60), "renewed"
    assert not hold("b", 110), "the renewal counts"


def test_an_expired_lease_goes_to_whoever_asks(hold):
    assert hold("a", 0)
    assert hold("b", 100)
    assert not hold("a", 101), "it is gone, even for the one who had it"


def test_a_released_lease_is_free_and_only_its_holder_can_release_it(hold, any_site):
    assert hold("a", 0)
    with any_site.run.rotations.connect() as connection:
        leases.release(connection, "jobs", "b")
    assert not hold("b", 1)
    with any_site.run.rotations.connect() as connection:
        leases.release(connection, "jobs", "a")
    assert hold("b", 1)


@pytest.mark.parametrize("expired", [False, True], ids=["first", "expired"])
def test_of_many_that_ask_at_once_one_gets_it(make_any_site, expired):
    hosts = [make_any_site() for _ in range(CROWD)]
    if expired:
        with hosts[0].run.rotations.connect() as connection:
            leases.hold(connection, "jobs", "gone", 0, 1)

    def ask(number):
        with hosts[number].run.rotations.connect() as connection:
            return leases.hold(connection, "jobs", str(number), 10, 100)

    with ThreadPoolExecutor(CROWD) as pool:
        assert sum(pool.map(ask, range(CROWD))) == 1
    with hosts[0].run.rotations.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM leases")).scalar_one() == 1


def test_a_lease_that_a_wrong_clock_took_is_over_for_the_others(hold):
    """Or a host whose clock was ahead for a moment, and died, would stop all work for days."""
    month = 30 * 24 * 3_600_000
    assert hold("a", month)
    assert hold("b", 0, 100)
    assert not hold("c", 50, 150)
    assert not hold("c", 0, 51), "clocks that are a little apart do not take it from each other"
