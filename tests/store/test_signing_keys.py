from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.derivation import SecretId, SecretState
from app.core.keyring import Algorithm, Key
from app.store import audit, derivation_secrets, signing_keys
from app.store.signing_keys import StoredKey

KEY = Key("k1", Algorithm.RS256, 100, 300_000, 900_000, signs_from=100)


@pytest.fixture
def connection(any_site):
    """Inside a transaction, on a database without keys."""
    with any_site.run.transactions.begin() as open_one:
        open_one.execute(text("DELETE FROM signing_keys"))
        open_one.execute(text("DELETE FROM secret_ids"))
        yield open_one


def test_keys_come_back_as_they_went_in_oldest_first(connection):
    older = Key("z", Algorithm.RS256, 50, 1, 2)
    twin = replace(KEY, kid="k0", compromised_at=7)
    for key in (KEY, older, twin):
        signing_keys.add(connection, StoredKey(key, f'{{"kid":"{key.kid}"}}'))
    assert signing_keys.everything(connection) == [
        StoredKey(older, '{"kid":"z"}'),
        StoredKey(twin, '{"kid":"k0"}'),
        StoredKey(KEY, '{"kid":"k1"}'),
    ]


@pytest.mark.clause("rfc7517-4.5-01")
def test_a_kid_names_one_key_for_ever(connection):
    signing_keys.add(connection, StoredKey(KEY, "{}"))
    with pytest.raises(IntegrityError), connection.begin_nested():
        signing_keys.add(connection, StoredKey(replace(KEY, created_at=101), "{}"))


def test_what_was_sealed_with_a_dropped_key_is_gone_and_the_key_no_longer_kept(connection):
    signing_keys.add(connection, StoredKey(KEY, "{}", b"sealed"))
    (entry,) = signing_keys.kept(connection)
    assert entry.sealed == b"sealed"
    assert "sealed" not in repr(entry)
    signing_keys.write_dates(connection, [replace(KEY, dropped_at=500)])
    assert signing_keys.kept(connection) == []
    assert signing_keys.everything(connection)[0].sealed is None
    signing_keys.seal(connection, KEY.kid, b"again")
    assert signing_keys.everything(connection)[0].sealed is None, "it is dropped"
    signing_keys.forget(connection, 500)
    assert len(signing_keys.everything(connection)) == 1
    signing_keys.forget(connection, 501)
    assert signing_keys.everything(connection) == []


def test_dates_are_written_and_nothing_else(connection):
    other = replace(KEY, kid="k2")
    for key in (KEY, other):
        signing_keys.add(connection, StoredKey(key, "{}"))
    changed = replace(KEY, signs_from=500, retires_at=900)
    signing_keys.write_dates(connection, [replace(changed, announced_max_age=1)])
    assert [entry.key for entry in signing_keys.everything(connection)] == [changed, other]


@pytest.mark.parametrize(
    ("max_age", "longest", "kept"),
    [
        (400_000, 800_000, (400_000, 900_000)),
        (200_000, 1_000_000, (300_000, 1_000_000)),
        (1, 1, (300_000, 900_000)),
        (400_000, 1_000_000, (400_000, 1_000_000)),
    ],
)
def test_a_promise_is_never_shortened_by_a_later_setting(connection, max_age, longest, kept):
    signing_keys.add(connection, StoredKey(KEY, "{}"))
    signing_keys.announce(connection, max_age, longest)
    key = signing_keys.everything(connection)[0].key
    assert (key.announced_max_age, key.longest_token) == kept


def test_secret_ids_are_listed_with_their_states_and_each_is_used_once(connection):
    derivation_secrets.add(connection, 2, SecretState.ACTIVE, 9)
    derivation_secrets.add(connection, 1, SecretState.RETIRED, 8)
    assert derivation_secrets.everything(connection) == [
        SecretId(1, SecretState.RETIRED, created_at=8),
        SecretId(2, SecretState.ACTIVE, created_at=9, activated_at=9),
    ]
    with pytest.raises(IntegrityError), connection.begin_nested():
        derivation_secrets.add(connection, 1, SecretState.ACTIVE, 10)


def test_an_audit_entry_says_what_when_and_to_whom(connection):
    connection.execute(text("DELETE FROM audit"))
    audit.record(connection, 5, "first", {"session": "s", "client_id": "c", "user_id": "u"})
    audit.record(connection, 6, "second", {"detail": "why"})
    rows = connection.execute(text("SELECT * FROM audit ORDER BY id")).mappings().all()
    first, second = ({**row, "id": None} for row in rows)
    empty = {"id": None, "session": None, "client_id": None, "user_id": None, "detail": ""}
    assert first == {
        **empty,
        "at": 5,
        "event": "first",
        "session": "s",
        "client_id": "c",
        "user_id": "u",
    }
    assert second == {**empty, "at": 6, "event": "second", "detail": "why"}
    assert rows[0]["id"] < rows[1]["id"]
