"""Processes that sign people in at the same time never give two sessions the same bit."""

import pytest
from sqlalchemy import text

from app.core.status_list import SIZE, Place
from app.store import status_lists
from tests.races.crowd import PROCESSES
from tests.site import STARTED, Site

AT_ONCE = 4
EACH = 150


def take(order) -> list[Place]:
    """In a process of its own: places for so many sessions, each its own statement."""
    url, keys = order
    site = Site(url, keys)
    places = []
    for _ in range(EACH):
        with site.run.rotations.connect() as connection:
            places.append(status_lists.allot(connection, STARTED))
    site.close()
    return places


@pytest.mark.parametrize("free", [0, 1, AT_ONCE * EACH // 2])
def test_no_place_is_given_twice_and_one_list_follows_the_full_one(any_site, free):
    run = any_site.run
    with run.rotations.connect() as connection:
        status_lists.allot(connection, STARTED)
        connection.execute(text("UPDATE status_lists SET allotted = :n"), {"n": SIZE - free})
    order = (run.settings.database_url, run.settings.keys_dir)
    with PROCESSES.Pool(AT_ONCE) as pool:
        taken = [place for places in pool.map(take, [order] * AT_ONCE) for place in places]
    assert len(taken) == len(set(taken)) == AT_ONCE * EACH
    with run.rotations.connect() as connection:
        query = text("SELECT number, allotted FROM status_lists ORDER BY number")
        rows = connection.execute(query).all()
    assert [tuple(row) for row in rows] == [(1, SIZE), (2, AT_ONCE * EACH - free)]
