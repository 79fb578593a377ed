"""Who holds tokens of a secret: counted, and ended, exactly those who live."""

import pytest
from sqlalchemy import insert, select, text

from app.core import sessions as rules
from app.core.sessions import EndReason, State
from app.store import bulk_endings, derived_sessions, sessions
from app.store.bulk_endings import FIRST_SID, SeenSince
from app.store.derived_sessions import Count, Holders
from app.store.sessions import BATCH, SessionRow

NOW = 1_800_000_000_000
LONG = NOW + 1_000_000

ALIVE = {
    "salt": b"s" * 32,
    "secret_id": 1,
    "gen": 1,
    "rotated_at": NOW - 10,
    "idle_ttl": 1,
    "idle_expires_at": LONG,
    "expires_at": LONG,
    "purge_at": LONG,
    "user_epoch": 0,
    "scope": "",
    "resource": "",
    "binding": "none",
    "channel": "body",
    "auth_time": NOW - 10,
    "remember_me": False,
    "created_at": NOW - 10,
    "last_seen_at": NOW - 10,
}


def end_some(connection, chosen, now, purge_at, after):
    reason = EndReason.SECRET_RETIRED
    return bulk_endings.end_some(connection, chosen, reason, now, purge_at, after)


OVER = [
    {"revoked_at": NOW - 1, "revoke_reason": "revoked_by_client"},
    {"expires_at": NOW},
    {"idle_expires_at": NOW},
    {"user_epoch": -1},
]


@pytest.fixture
def connection(any_site):
    user, client = any_site.user(), any_site.client().client.client_id
    with any_site.run.transactions.connect() as opened, opened.begin():
        opened.info["who"] = {"user_id": user.id, "client_id": client}
        yield opened
        opened.rollback()


def begin(connection, *each):
    """Sessions that live but for what is said; their sids, in order."""
    rows = [
        {
            **ALIVE,
            **connection.info["who"],
            "sid": number.to_bytes(16, "big"),
            "public_id": str(number),
            **said,
        }
        for number, said in enumerate(each, 1)
    ]
    for row in rows:
        connection.execute(insert(SessionRow).values(**row))
    return [row["sid"] for row in rows]


def test_sessions_are_counted_by_their_current_token_and_by_their_age(connection):
    begin(
        connection,
        {"secret_id": 1, "expires_at": LONG - 5},
        {"secret_id": 2},
        {"secret_id": 2, "created_at": NOW - 20, "expires_at": LONG - 3},
        {"secret_id": 1, "created_at": NOW - 20, "expires_at": LONG - 4},
        {"secret_id": 3, "created_at": NOW - 21, "expires_at": LONG - 6},
    )
    assert derived_sessions.live_by_secret(connection, NOW) == {1: 2, 2: 2, 3: 1}
    before = NOW - 19
    assert derived_sessions.count(connection, Holders(1, before), NOW) == Count(2, 2, LONG - 3)
    assert derived_sessions.count(connection, Holders(1, NOW - 20), NOW) == Count(2, 1, LONG - 4)
    assert derived_sessions.count(connection, Holders(3, 0), NOW) == Count(1, 0, LONG - 6)
    assert derived_sessions.count(connection, Holders(4, 0), NOW) == Count(0, 0, None)


@pytest.mark.parametrize("over", OVER, ids=lambda over: next(iter(over)))
def test_a_session_that_is_over_holds_nothing_and_keeps_its_reason(connection, over):
    (sid,) = begin(connection, over)
    assert rules.state(sessions.find(connection, sid), NOW) is not State.LIVE
    holders = Holders(1, LONG)
    assert derived_sessions.live_by_secret(connection, NOW) == {}
    assert derived_sessions.count(connection, holders, NOW).total == 0
    assert end_some(connection, holders, NOW, LONG, FIRST_SID) == []
    reason = connection.execute(select(SessionRow.revoke_reason)).scalar_one()
    assert reason == over.get("revoke_reason")


def test_a_disabled_persons_sessions_hold_nothing(connection):
    begin(connection, {})
    assert derived_sessions.count(connection, Holders(1, 0), NOW).total == 1
    connection.execute(text("UPDATE users SET disabled_at = 1"))
    assert derived_sessions.count(connection, Holders(1, 0), NOW).total == 0


def test_holders_are_ended_batch_by_batch_and_nobody_else(connection):
    others = {"secret_id": 2}
    sids = begin(connection, *([{}, others] * (BATCH + 2)))
    holders, ended, after = Holders(1, 0), [], FIRST_SID
    while some := end_some(connection, holders, NOW, LONG + 1, after):
        assert len(some) <= BATCH
        ended += [each.sid for each in some]
        after = some[-1].sid
    assert ended == sids[::2]
    rows = connection.execute(
        select(SessionRow.secret_id, SessionRow.revoked_at, SessionRow.revoke_reason)
    )
    assert set(rows) == {(1, NOW, EndReason.SECRET_RETIRED), (2, None, None)}
    purged = connection.execute(select(SessionRow.purge_at).where(SessionRow.secret_id == 1))
    assert set(purged.scalars()) == {LONG + 1}


def test_sessions_that_got_a_token_since_a_moment_are_ended_and_no_others(connection):
    """Those a key may have signed for, from the moment it began to sign."""
    before, at = begin(connection, {"last_seen_at": NOW - 11}, {"last_seen_at": NOW - 10})
    since = SeenSince(NOW - 10)
    ended = bulk_endings.end_some(
        connection, since, EndReason.KEY_COMPROMISED, NOW, LONG + 1, FIRST_SID
    )
    assert [each.sid for each in ended] == [at]
    assert sessions.find(connection, before).revoked_at is None
    assert sessions.find(connection, at).revoke_reason == EndReason.KEY_COMPROMISED
