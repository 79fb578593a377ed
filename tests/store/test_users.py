import pytest
from sqlalchemy.exc import IntegrityError

from app.store import users


def by_name(site, name):
    with site.run.rotations.connect() as connection:
        return users.find_by_name(connection, name)


def write(site, action, *arguments):
    with site.run.transactions.begin() as connection:
        action(connection, *arguments)


@pytest.fixture
def alice(any_site):
    return any_site.user()


def test_a_person_is_found_by_exactly_that_name(any_site, alice):
    assert by_name(any_site, "alice") == alice
    for other in ("Alice", "alice ", "bob", "", "' OR 1=1 --", "%"):
        assert by_name(any_site, other) is None


def test_a_name_belongs_to_one_person(any_site, alice):
    values = {"id": "other", "username": "alice", "created_at": 1}
    with pytest.raises(IntegrityError):
        write(any_site, users.create, values)


def test_a_hash_is_only_replaced_while_it_is_the_one_that_was_verified(any_site, alice):
    write(any_site, users.replace_hash, alice.id, "another", "new")
    assert by_name(any_site, "alice").password_hash == alice.password_hash
    write(any_site, users.replace_hash, alice.id, alice.password_hash, "new")
    found = by_name(any_site, "alice")
    assert found.password_hash == "new"
    assert found.auth_epoch == alice.auth_epoch, "the same password ends no session"


def test_a_change_moves_the_epoch_of_that_person_only(any_site, alice):
    bob = any_site.user("bob")
    write(any_site, users.change, alice.id, {"disabled_at": 7})
    write(any_site, users.change, alice.id, {})
    changed = by_name(any_site, "alice")
    assert (changed.auth_epoch, changed.disabled_at) == (2, 7)
    assert by_name(any_site, "bob") == bob


def test_enabling_moves_no_epoch(any_site, alice):
    write(any_site, users.change, alice.id, {"disabled_at": 7})
    write(any_site, users.enable, alice.id)
    found = by_name(any_site, "alice")
    assert (found.auth_epoch, found.disabled_at) == (1, None)


def test_a_persons_hash_is_not_part_of_how_they_are_shown(any_site, alice):
    assert alice.password_hash
    assert "password_hash" not in repr(alice)
