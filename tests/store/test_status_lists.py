"""Places in status lists, and what of a list is read."""

import pytest
from sqlalchemy import text

from app.core.sessions import DAY, EndReason
from app.core.status_list import SIZE
from app.store import endings, sessions, status_lists, users
from app.store.endings import Ending
from app.store.sessions import PlaceTakenError
from tests.store.rows import NOW, OTHER, SID, values

LIST = 7
LONG_AGO = 0


@pytest.fixture
def store(any_site, connection):
    """The connection of an empty site, with a list whose session 1 has index 11."""
    connection.execute(text("DELETE FROM sessions"))
    connection.execute(
        text("INSERT INTO status_lists VALUES (:id, 1, :key, 2, :now)"),
        {"id": LIST, "key": b"k" * 32, "now": NOW},
    )
    add(connection, SID, index=11)
    return connection


def add(store, sid, index, **changes):
    place = {"status_list": LIST, "status_idx": index}
    sessions.create(store, values(sid, **{**place, **changes}))


def fill(store, count=SIZE):
    store.execute(text("UPDATE status_lists SET allotted = :n"), {"n": count})


def lists(store):
    return store.execute(text("SELECT id FROM status_lists ORDER BY number")).scalars().all()


def end(store, sid, now=NOW):
    assert sessions.revoke(store, sid, now, EndReason.OPERATOR, now + DAY)


def test_every_session_gets_another_place_in_the_same_list(store):
    places = [status_lists.allot(store, NOW) for _ in range(200)]
    assert {place.list_id for place in places} == {LIST}
    assert len({place.index for place in places}) == 200


def test_a_full_list_is_followed_by_another_with_a_name_and_a_key_of_its_own(store):
    fill(store, SIZE - 1)
    last, first = status_lists.allot(store, NOW), status_lists.allot(store, NOW + 1)
    assert last.list_id == LIST
    assert lists(store) == [LIST, first.list_id]
    assert first.list_id not in range(1000)
    keys = store.execute(text("SELECT key FROM status_lists")).scalars().all()
    assert len({bytes(key) for key in keys}) == 2


def test_a_closed_list_gives_no_further_place(store):
    status_lists.close(store)
    assert status_lists.allot(store, NOW).list_id != LIST


def test_the_database_refuses_a_place_that_is_taken(store):
    with pytest.raises(PlaceTakenError):
        add(store, OTHER, index=11)


def test_sessions_without_a_place_are_many(store):
    for number in range(3):
        sid = bytes([number]) * 16
        sessions.create(store, values(sid, status_list=None, status_idx=None))


def test_nobody_has_ended(store):
    assert status_lists.ended(store, LIST, LONG_AGO) == []


def test_there_is_no_such_list(store):
    assert status_lists.ended(store, LIST + 1, LONG_AGO) is None


def test_who_has_ended_since(store):
    add(store, OTHER, index=12)
    end(store, SID, NOW)
    end(store, OTHER, NOW + 10)
    assert sorted(status_lists.ended(store, LIST, LONG_AGO)) == [11, 12]
    assert status_lists.ended(store, LIST, NOW + 10) == [12]
    assert status_lists.ended(store, LIST, NOW + 11) == []


def test_other_lists_are_other_lists(store):
    add(store, OTHER, index=12, status_list=LIST + 1)
    end(store, OTHER)
    assert status_lists.ended(store, LIST, LONG_AGO) == []


def test_sessions_that_are_about_to_be_marked_have_ended(store):
    """Only those that began before: a session of the new epoch lives."""
    ending = Ending("e1", "u1", EndReason.SIGN_OUT_EVERYWHERE, NOW)
    users.change(store, "u1", {})
    add(store, OTHER, index=12, user_epoch=1)
    add(store, b"x" * 16, index=13, user="u2")
    assert status_lists.ended(store, LIST, LONG_AGO) == []
    endings.queue(store, ending)
    assert status_lists.ended(store, LIST, NOW + DAY) == [11]
    assert sessions.mark_ended(store, "u1", NOW + 5, ending.reason, NOW + DAY) == 1
    assert status_lists.ended(store, LIST, NOW) == [11]
    assert endings.forget(store, ending)
    assert status_lists.ended(store, LIST, NOW) == [11]


def test_endings_are_told_in_their_order_until_they_are_forgotten(store):
    first = Ending("e1", "u1", EndReason.USER_DISABLED, NOW)
    second = Ending("e0", "u1", EndReason.PASSWORD_CHANGED, NOW + 1)
    for ending in (second, first):
        endings.queue(store, ending)
    assert endings.left_over(store, NOW + 2) == [first, second]
    assert endings.left_over(store, NOW + 1) == [first]
    assert endings.forget(store, first)
    assert not endings.forget(store, first)
    assert endings.left_over(store, NOW + 2) == [second]


def test_a_list_goes_when_the_last_token_of_its_last_session_cannot_be_valid(store):
    fill(store)
    over = NOW + 9_000
    assert status_lists.drop_finished(store, over - 1, settled=over) == []
    assert status_lists.drop_finished(store, over, settled=over) == [LIST]
    assert lists(store) == []


def test_a_list_that_is_not_full_stays(store):
    fill(store, SIZE - 1)
    assert status_lists.drop_finished(store, NOW + DAY, settled=NOW + DAY) == []


def test_a_list_stays_while_its_last_place_may_belong_to_a_session_that_is_being_stored(store):
    fill(store)
    assert status_lists.drop_finished(store, NOW + DAY, settled=NOW) == []
    assert status_lists.drop_finished(store, NOW + DAY, settled=NOW + 1) == [LIST]


def test_a_build_reads_what_has_ended_and_who_is_about_to_and_no_other_session(store):
    """Both from an index: a list has 131072 sessions, and it is read twice a second."""
    given = status_lists._ENDED.params(list_id=LIST, since=NOW)
    build = given.compile(store.engine, compile_kwargs={"literal_binds": True})
    if store.dialect.name == "sqlite":
        plan = [row.detail for row in store.execute(text(f"EXPLAIN QUERY PLAN {build}"))]
        lately = "COVERING INDEX ix_sessions_status_ended (status_list=? AND revoked_at>?)"
    else:
        store.execute(text("SET enable_seqscan = off"))
        store.execute(text("SET enable_bitmapscan = off"))
        plan = store.execute(text(f"EXPLAIN {build}")).scalars().all()
        lately = "Index Only Scan using ix_sessions_status_ended on sessions"
    steps = [step for step in plan if " sessions" in step and " ix_" in step]
    assert len(steps) == 2, plan
    assert lately in steps[0]
    assert "ix_sessions_user_id" in steps[1]
