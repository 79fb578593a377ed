"""Only a rotation may be lost where the standby is synchronous: all else is answered when it has it."""

from dataclasses import dataclass

import pytest

from tests.failover.losses import ahead, answered, healed
from tests.flows.caller import Answer, Caller
from tests.flows.enrolment import enrol
from tests.flows.loops import (
    Refresher,
    refreshing,
    wait_for_progress,
    wait_until_asked_to_come_again,
)
from tests.scale import record, scaled
from tests.servers import wait_until

pytestmark = pytest.mark.proof

SESSIONS, REFRESHES = scaled(4, 20), scaled(10, 20)
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@dataclass
class FailedOver:
    """`unanswered` is what a revocation was told that the standby could not confirm."""

    busy: list[Refresher]
    revoked: Refresher
    doubtful: Refresher
    unanswered: Answer
    caller: Caller
    ahead: dict[str, int]


@pytest.fixture(scope="module")
def story(pair, server):
    pair.synchronize()
    account = enrol(server)
    caller = Caller(account)
    revoked, doubtful = Refresher(account), Refresher(account)
    with refreshing(account, SESSIONS) as busy:
        wait_for_progress(busy)
        assert caller.revoke(revoked.token).status == 200
        pair.part()
        caller.send("/oauth/revoke", token=doubtful.token)
        wait_until(lambda: pair.execute(WAITING), "a revocation that waits for the standby")
        wait_for_progress(busy, REFRESHES)
        pair.crash()
        unanswered = caller.receive()
        wait_until_asked_to_come_again(busy)
        lost = ahead(busy, pair.generations())
        pair.promote()
        wait_for_progress(busy, 2)
    yield FailedOver(busy, revoked, doubtful, unanswered, caller, lost)
    caller.close()


def test_rotations_do_not_wait_for_the_standby_and_no_session_is_lost_to_a_lost_one(story, server):
    lost = sum(story.ahead.values())
    assert lost >= SESSIONS * REFRESHES
    signed_out = [each for each in story.busy if not each.is_signed_in()]
    assert signed_out == []
    assert healed(server) == dict.fromkeys(story.ahead, 1)
    record(
        "fail-over",
        "PostgreSQL, synchronous standby",
        {
            "sessions": len(story.busy),
            "lost rotations": lost,
            "healed": len(story.ahead),
            "sessions lost": len(signed_out),
            "answered revocations lost": 0,
        },
    )


@pytest.mark.clause("rfc7009-2.1-07")
def test_a_revocation_that_was_answered_survives(story):
    assert not story.revoked.is_signed_in()
    story.revoked.refresh()
    assert story.revoked.refused.body["reason"] == "session_ended"


def test_a_revocation_that_the_standby_could_not_confirm_is_not_answered_as_done(story):
    assert story.unanswered.status == 503
    assert story.doubtful.is_signed_in(), "it was lost, and nobody was told otherwise"
    assert answered(lambda: story.caller.revoke(story.doubtful.token)).status == 200
    assert not story.doubtful.is_signed_in()
