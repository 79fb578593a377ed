"""The statements of a session: what they find, what they change, and what they leave alone."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from app.core.binding import Binding
from app.core.devices import Device
from app.core.sessions import Channel, EndReason, State, state
from app.store import sessions, users
from app.store.sessions import BATCH, Swap
from tests.store.rows import NOW, OTHER, SID, values

SWAP = Swap(1, 2, 3, NOW + 5, b"h" * 32, NOW + 500)


def row(connection, sid=SID) -> dict[str, object]:
    query = text("SELECT * FROM sessions WHERE sid = :sid")
    return dict(connection.execute(query, {"sid": sid}).mappings().one())


def test_a_session_is_found_with_what_its_user_says(connection):
    session = sessions.find(connection, SID)
    assert session == sessions.find_public(connection, SID.hex())
    assert (session.sid, session.salt, session.generation) == (SID, b"s" * 32, 1)
    assert (session.binding, session.channel) == (Binding.NONE, Channel.BODY)
    assert (session.user_epoch, session.current_epoch, session.user_disabled_at) == (0, 0, None)
    users.change(connection, "u1", {"disabled_at": 7})
    session = sessions.find(connection, SID)
    assert (session.user_epoch, session.current_epoch, session.user_disabled_at) == (0, 1, 7)


@pytest.mark.parametrize("sid", [OTHER, b"", SID[:-1], SID + b"\0", b"\0" * 16])
def test_another_sid_finds_nothing(connection, sid):
    assert sessions.find(connection, sid) is None
    assert sessions.find_public(connection, sid.hex()) is None


def test_a_swap_moves_what_a_rotation_moves(connection):
    before = row(connection)
    assert sessions.rotate(connection, SID, SWAP)
    assert row(connection) == {
        **before,
        "gen": 2,
        "secret_id": 3,
        "rotated_at": NOW + 5,
        "last_seen_at": NOW + 5,
        "rotation_key_hash": b"h" * 32,
        "idle_expires_at": NOW + 500,
    }


def test_what_a_swap_says_of_the_row_is_what_the_row_is(connection):
    device = Device("Phone/7", "192.0.2.7")
    before, swap = sessions.find(connection, SID), replace(SWAP, device=device)
    assert sessions.rotate(connection, SID, swap)
    assert swap.applied(before) == sessions.find(connection, SID)


def test_a_swap_without_a_key_forgets_the_one_before(connection):
    assert sessions.rotate(connection, SID, SWAP)
    assert sessions.rotate(connection, SID, replace(SWAP, from_generation=2, key_hash=None))
    assert row(connection)["rotation_key_hash"] is None


def test_a_swap_happens_once(connection):
    assert sessions.rotate(connection, SID, SWAP)
    before = row(connection)
    assert not sessions.rotate(connection, SID, SWAP)
    assert not sessions.heal(connection, SID, SWAP)
    assert row(connection) == before


@pytest.mark.parametrize(
    ("change", "rotates", "heals"),
    [
        ("gen = 5", False, False),
        (f"revoked_at = {NOW}", False, False),
        (f"expires_at = {NOW + 5}", False, False),
        (f"expires_at = {NOW + 6}", True, True),
        (f"idle_expires_at = {NOW + 5}", False, True),
        (f"idle_expires_at = {NOW + 6}", True, True),
    ],
)
def test_a_row_that_moved_on_or_ended_is_not_swapped(connection, change, rotates, heals):
    connection.execute(text(f"UPDATE sessions SET {change}"))
    before = row(connection)
    assert sessions.rotate(connection, SID, SWAP) is rotates
    if not rotates:
        assert row(connection) == before
        assert sessions.heal(connection, SID, SWAP) is heals
        assert (row(connection) != before) is heals


def test_a_swap_touches_one_row(connection):
    sessions.create(connection, values(OTHER))
    before = row(connection, OTHER)
    assert sessions.rotate(connection, SID, SWAP)
    assert sessions.revoke(connection, SID, NOW, EndReason.CLIENT, NOW)
    assert row(connection, OTHER) == before


@pytest.mark.clause("asvs5-v7-7.4.1-01")
def test_a_revocation_is_for_good_and_keeps_its_first_reason(connection):
    assert sessions.revoke(connection, SID, NOW + 1, EndReason.REUSE, NOW + 2)
    after = row(connection)
    assert (after["revoked_at"], after["revoke_reason"]) == (NOW + 1, "token_reused")
    assert after["purge_at"] == NOW + 2
    assert not sessions.revoke(connection, SID, NOW + 9, EndReason.CLIENT, NOW + 9)
    assert row(connection) == after
    assert state(sessions.find(connection, SID), NOW) is State.REUSED


def test_sessions_that_the_epoch_ended_are_marked_in_batches(connection):
    for number in range(BATCH + 2):
        sessions.create(connection, values(number.to_bytes(16, "big")))
    sessions.create(connection, values(b"x" * 16, user="u2"))
    sessions.create(connection, values(b"y" * 16, user_epoch=1))
    sessions.create(connection, values(b"z" * 16, revoked_at=1, revoke_reason="token_reused"))
    assert mark(connection) == 0, "the epoch has not moved"
    users.change(connection, "u1", {})
    assert [mark(connection) for _ in range(3)] == [BATCH, 3, 0]
    for untouched in (b"x" * 16, b"y" * 16):
        assert row(connection, untouched)["revoked_at"] is None
    assert row(connection, b"z" * 16)["revoke_reason"] == "token_reused"
    assert row(connection)["revoke_reason"] == "password_changed"


def mark(connection):
    return sessions.mark_ended(connection, "u1", NOW, EndReason.PASSWORD_CHANGED, NOW + 1)


def test_a_listing_shows_the_newest_first_and_narrows(connection):
    sessions.create(connection, values(OTHER, user="u2", created_at=NOW + 1, device_name="Phone"))
    listed = sessions.listing(connection)
    assert [session.sid for session, _ in listed] == [OTHER, SID]
    (newest, username) = listed[0]
    assert (username, newest.device_name, newest.remember_me) == ("user2", "Phone", False)
    assert (newest.created_at, newest.last_seen_at) == (NOW + 1, NOW)
    for narrow, found in (
        ({"username": "user1"}, [SID]),
        ({"username": "nobody"}, []),
        ({"client_id": "c1"}, [OTHER, SID]),
        ({"client_id": "c2"}, []),
        ({"username": "user2", "client_id": "c1"}, [OTHER]),
        ({"public_id": SID.hex()}, [SID]),
        ({"public_id": ""}, []),
    ):
        assert [session.sid for session, _ in sessions.listing(connection, **narrow)] == found


def test_a_session_never_shows_its_sid_or_salt(connection):
    shown = repr(sessions.find(connection, SID))
    assert repr(SID) not in shown
    assert SID.hex() not in shown
    assert repr(b"s" * 32) not in shown
