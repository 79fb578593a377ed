import pytest
from sqlalchemy import text

from app.store import schema


def test_a_migrated_database_is_what_this_version_wants(any_site):
    with any_site.run.rotations.connect() as connection:
        assert schema.wanted() is not None
        assert schema.present(connection) == schema.wanted()
        assert schema.is_current(connection)


@pytest.mark.parametrize("change", ["DELETE FROM", "UPDATE"])
def test_another_revision_or_none_is_not_current(any_site, change):
    rest = {"DELETE FROM": "", "UPDATE": " SET version_num = '9999'"}[change]
    with any_site.run.transactions.begin() as connection:
        connection.execute(text(f"{change} alembic_version{rest}"))
    with any_site.run.rotations.connect() as connection:
        assert not schema.is_current(connection)
