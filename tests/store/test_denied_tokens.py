import pytest
from sqlalchemy import text

from app.store import denied_tokens

NOW = 1_000_000


@pytest.fixture
def connection(any_site):
    with any_site.run.transactions.begin() as open_one:
        yield open_one


def stored(connection) -> list[str]:
    return sorted(connection.execute(text("SELECT jti FROM denied_tokens")).scalars())


def test_a_denied_token_stays_denied_and_others_are_not(connection):
    denied_tokens.deny(connection, "a", NOW + 900, NOW)
    assert denied_tokens.is_denied(connection, "a")
    assert not denied_tokens.is_denied(connection, "b")
    assert not denied_tokens.is_denied(connection, "A")


def test_denying_twice_is_denying_once(connection):
    denied_tokens.deny(connection, "a", NOW + 900, NOW)
    denied_tokens.deny(connection, "a", NOW + 900, NOW + 1)
    assert stored(connection) == ["a"]


def test_tokens_whose_time_has_passed_are_forgotten_so_the_table_cannot_grow(connection):
    for number in range(200):
        denied_tokens.deny(connection, f"t{number}", NOW + number + 10, NOW + number)
        assert denied_tokens.is_denied(connection, f"t{number}")
    assert len(stored(connection)) == 10


def test_a_token_is_kept_until_the_moment_it_expires(connection):
    denied_tokens.deny(connection, "a", NOW + 10, NOW)
    denied_tokens.deny(connection, "b", NOW + 100, NOW + 9)
    assert stored(connection) == ["a", "b"]
    denied_tokens.deny(connection, "c", NOW + 100, NOW + 10)
    assert stored(connection) == ["b", "c"]
