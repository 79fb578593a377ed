"""What a process remembers of lists that it cannot read."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError


def test_names_that_somebody_invents_leave_nothing_behind_while_the_database_is_away(site):
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE status_lists RENAME TO away"))
    lists = site.run.status_lists
    for list_id in range(20):
        with pytest.raises(OperationalError):
            lists.read(list_id, site.clock(), 60_000)
    assert not lists._locks
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO status_lists"))
    for list_id in range(20):
        assert lists.read(list_id, site.clock(), 60_000) is None
    assert not lists._locks
