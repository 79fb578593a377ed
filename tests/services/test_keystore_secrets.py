"""What a running host makes of the secrets that are missing, damaged or late."""

import sys
import threading

import pytest
from sqlalchemy import event, insert, text

from app.core.events import DerivationSecretMissing
from app.services.keystore import FRESH, OUTDATED
from app.store.derivation_secrets import SecretIdRow
from tests.servers import wait_until

HUNG = 60


@pytest.fixture
def told(site):
    """What the keystore has published."""
    events: list[DerivationSecretMissing] = []
    site.run.keystore._publish = events.extend
    return events


def add_active(site, secret_id):
    with site.run.transactions.begin() as connection:
        row = {"id": secret_id, "state": "active", "created_at": 1, "activated_at": 1}
        connection.execute(insert(SecretIdRow).values(**row))


def path(site, secret_id):
    return site.run.settings.keys_dir / f"refresh-{secret_id}.secret"


def look(site):
    site.clock.advance(seconds=FRESH / 1000)
    return site.run.ring()


def test_a_secret_that_is_missing_is_told_once_and_again_when_the_reason_is_another(site, told):
    assert look(site).active == 1
    assert told == []
    add_active(site, 2)
    for _ in range(3):
        assert look(site).active == 1
    why = "refresh-2.secret: not in the key directory"
    assert told == [DerivationSecretMissing(2, why)]
    path(site, 2).touch(mode=0o600)
    look(site)
    assert told[1:] == [DerivationSecretMissing(2, "refresh-2.secret: a secret has 32 bytes")]
    path(site, 2).write_bytes(b"s" * 32)
    assert look(site).active == 2
    assert len(told) == 2


def test_a_secret_of_another_installation_is_told(site, told):
    site.run.keystore.forget()
    path(site, 1).write_bytes(b"s" * 32)
    add_active(site, 2)
    site.run.keystore.directory.new_secret(2)
    look(site)
    why = "refresh-1.secret: not the secret that the database gave this id to"
    assert told == [DerivationSecretMissing(1, why)]


@pytest.mark.parametrize(
    ("content", "mode"),
    [(b"", 0o600), (b"half", 0o600), (b"s" * 32, 0o644), (b"s" * 33, 0o600)],
    ids=["empty", "half", "open to others", "too long"],
)
def test_a_file_that_is_still_being_copied_takes_nothing_else_away(site, content, mode):
    """A running host goes on with what it has; a start refuses what others could read."""
    add_active(site, 2)
    path(site, 2).write_bytes(content)
    path(site, 2).chmod(mode)
    assert look(site).active == 1
    assert 2 not in site.run.ring().secrets
    site.run.signer().sign({})


def test_a_secret_that_was_opened_to_others_is_not_used(site):
    add_active(site, 2)
    site.run.keystore.directory.new_secret(2)
    assert look(site).active == 2
    path(site, 2).chmod(0o640)
    assert look(site).active == 1


def test_a_file_without_a_row_verifies_nothing(site):
    """It may be one that a killed rotation left, and another host's may be given the id."""
    site.run.keystore.directory.new_secret(2)
    assert set(look(site).secrets) == {1}


# --- threads --------------------------------------------------------------------------------------


@pytest.fixture
def held_renewal(site):
    """One thread renews the snapshot and is held while it reads; `open` lets it go on."""
    site.run.ring()
    opened, reached = threading.Event(), threading.Event()

    def hold(connection, cursor, sql, *_):
        if "FROM secret_ids" in sql and not reached.is_set():
            reached.set()
            assert opened.wait(HUNG)

    event.listen(site.run.rotations, "before_cursor_execute", hold)
    leader = threading.Thread(target=site.run.ring)

    def start():
        leader.start()
        assert reached.wait(HUNG)
        return opened

    yield start
    opened.set()
    leader.join(HUNG)


def follow(site) -> tuple[threading.Thread, list[int]]:
    """Another thread that asks for the ring: it has the answer, or waits for the lock."""
    seen: list[int] = []
    follower = threading.Thread(target=lambda: seen.append(site.run.ring().active))
    follower.start()

    def waits() -> bool:
        assert follower.ident is not None
        frame = sys._current_frames().get(follower.ident)
        return frame is not None and frame.f_code.co_name == "_current"

    wait_until(lambda: seen or waits(), "an answer, or a thread that waits")
    return follower, seen


def activate_second(site):
    add_active(site, 2)
    site.run.keystore.directory.new_secret(2)


def test_a_thread_goes_on_with_what_is_a_little_old_while_another_renews_it(site, held_renewal):
    activate_second(site)
    site.clock.advance(seconds=(OUTDATED - 1) / 1000)
    held_renewal()
    follower, seen = follow(site)
    follower.join(HUNG)
    assert seen == [1]


def test_a_thread_waits_rather_than_work_with_what_was_true_an_hour_ago(site, held_renewal):
    """It would derive a token with a secret that has been retired since: a sign-out."""
    activate_second(site)
    site.clock.advance(seconds=3600)
    opened = held_renewal()
    follower, seen = follow(site)
    assert seen == []
    opened.set()
    follower.join(HUNG)
    assert seen == [2]


def test_who_waited_for_a_database_that_is_away_does_not_ask_it_again(site, held_renewal):
    asked: list[str] = []

    def count(connection, cursor, sql, *_):
        if "FROM signing_keys" in sql:
            asked.append(sql)

    event.listen(site.run.rotations, "before_cursor_execute", count)
    site.clock.advance(seconds=3600)
    opened = held_renewal()
    follower, seen = follow(site)
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE secret_ids RENAME TO away"))
    opened.set()
    follower.join(HUNG)
    assert seen == [1]
    assert len(asked) == 1
