import pytest
from sqlalchemy import text

from app.store import sessions, users
from tests.store.rows import NOW, values


@pytest.fixture
def connection(any_site):
    """Autocommitting, with two people, a client and one session."""
    client = any_site.client().client.client_id
    with any_site.run.rotations.connect() as open_one:
        open_one.execute(
            text("UPDATE clients SET client_id = 'c1' WHERE client_id = :id"), {"id": client}
        )
        for number in (1, 2):
            person = {"id": f"u{number}", "username": f"user{number}", "created_at": NOW}
            users.create(open_one, person)
        sessions.create(open_one, values())
        yield open_one
