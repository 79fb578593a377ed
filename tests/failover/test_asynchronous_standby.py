"""The primary is lost under load, and the standby that takes over had not got everything."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app import create_app
from app.services.runtime import runtime
from app.settings import load
from tests.failover.cluster import Pair
from tests.failover.losses import Endings, ahead, answered, healed
from tests.flows.caller import Account, Caller
from tests.flows.enrolment import enrol
from tests.flows.loops import (
    Refresher,
    refreshing,
    wait_for_progress,
    wait_until_asked_to_come_again,
)
from tests.live import LiveServer
from tests.scale import record, scaled
from tests.servers import wait_until

pytestmark = pytest.mark.proof

SESSIONS, LOST = scaled(8, 40), scaled(40, 200)
CALLS = {
    "/oauth/token": {"grant_type": "refresh_token", "refresh_token": "{token}"},
    "/oauth/introspect": {"token": "{token}"},
    "/oauth/revoke": {"token": "{token}"},
}


@dataclass
class FailedOver:
    """What was seen on the way, and who holds which token now. `stolen` is a copy of the token
    that `copied` had when the standby fell behind.
    """

    since: str
    account: Account
    busy: list[Refresher]
    quiet: Refresher
    copied: Refresher
    stolen: str
    late: Refresher
    endings: Endings
    ahead: dict[str, int]
    healed: Counter[str]
    behind_answers: list[tuple[int, Any]]
    outage_answers: list[tuple[int, Any]]


@pytest.fixture(scope="module")
def story(pair: Pair, server: LiveServer) -> FailedOver:
    account, endings = enrol(server), Endings(server)
    quiet, copied = Refresher(account), Refresher(account)
    with refreshing(account, SESSIONS) as busy:
        wait_for_progress(busy)
        since = pair.part()
        stolen, before = copied.token, progress(busy)
        endings.happen()
        behind_answers = ask_standby(pair, server, endings.sessions[0].account, stolen)
        for _ in range(3):
            copied.refresh()
        late = Refresher(account)
        wait_until(lambda: progress(busy) >= before + LOST, "rotations to lose")
        pair.crash()
        outage_answers = ask_server(server, account, quiet.token)
        wait_until_asked_to_come_again(busy)
        lost = ahead([*busy, quiet, copied], pair.generations())
        pair.promote()
        wait_for_progress(busy, 2)
    quiet.refresh()
    return FailedOver(
        since=since,
        account=account,
        busy=busy,
        quiet=quiet,
        copied=copied,
        stolen=stolen,
        late=late,
        endings=endings,
        ahead=lost,
        healed=healed(server),
        behind_answers=behind_answers,
        outage_answers=outage_answers,
    )


def progress(refreshers: list[Refresher]) -> int:
    return sum(refresher.answered for refresher in refreshers)


def ask_server(server: LiveServer, account: Account, token: str) -> list[tuple[int, Any]]:
    """Every call while no database takes writes: status and Retry-After."""
    answers = [
        httpx.post(f"{server.url}{path}", data=form(call, token), auth=account.basic, timeout=20)
        for path, call in CALLS.items()
    ]
    answers.append(httpx.get(f"{server.url}/readyz"))
    return [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers]


def ask_standby(
    pair: Pair, server: LiveServer, account: Account, token: str
) -> list[tuple[int, Any]]:
    """The same calls of a server that was given the standby alone."""
    app = create_app(load({**server.env, "PERENNIAL_DATABASE_URL": pair.standby_url}))
    with app.test_client() as http:
        answers = [
            http.post(path, data=form(call, token), headers=account.headers)
            for path, call in CALLS.items()
        ]
        answers.append(http.get("/readyz"))
    run = runtime(app)
    run.transactions.dispose()
    run.rotations.dispose()
    return [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers]


def form(call: dict[str, str], token: str) -> dict[str, str]:
    return {name: value.format(token=token) for name, value in call.items()}


def comes_again(answers: list[tuple[int, Any]]) -> bool:
    *calls, ready = answers
    return len(calls) == len(CALLS) and set(calls) == {(503, "1")} and ready[0] == 503


def test_no_session_is_lost_to_a_lost_rotation(story):
    lost = sum(story.ahead.values())
    assert lost >= LOST
    assert all(refresher.session in story.ahead for refresher in story.busy)
    everybody = [*story.busy, story.quiet]
    signed_out = [each for each in everybody if not each.is_signed_in()]
    assert signed_out == []
    record(
        "fail-over",
        "PostgreSQL, asynchronous standby",
        {
            "sessions": len(everybody),
            "lost rotations": lost,
            "healed": len(story.healed),
            "sessions lost": len(signed_out),
        },
    )


def test_a_session_heals_once_if_it_was_ahead_and_never_if_it_was_not(story):
    refreshed = {refresher.session for refresher in [*story.busy, story.quiet]}
    were_ahead = set(story.ahead) & refreshed
    assert story.healed == dict.fromkeys(were_ahead, 1)
    assert story.quiet.session not in story.healed


def test_while_no_database_takes_writes_everybody_is_asked_to_come_again(story):
    assert comes_again(story.outage_answers)
    assert all(refresher.refused is None for refresher in story.busy)


def test_a_standby_is_not_asked_what_is_true_before_it_is_promoted(story):
    assert comes_again(story.behind_answers)


def test_a_sign_in_that_the_standby_had_not_got_is_lost(story):
    story.late.refresh()
    assert story.late.refused is not None
    assert story.late.refused.body["error"] == "invalid_grant"


def test_a_superseded_token_that_became_current_again_is_caught_one_cycle_later(story, server):
    """The thief's copy works once. The owner's token heals the session, and the thief's next one
    gives the theft away.
    """
    owner, thief = story.copied, Caller(story.account)
    answer = answered(lambda: thief.refresh(story.stolen))
    assert answer.status == 200, "nobody can know"
    owner.refresh()
    assert owner.refused is None
    assert healed(server)[owner.session] == 1
    token = answer.body["refresh_token"]
    assert answered(lambda: thief.refresh(token)).body["reason"] == "session_reused"
    thief.close()
    owner.refresh()
    assert owner.refused.body["reason"] == "session_reused"


def test_endings_that_the_standby_had_not_got_are_lost_until_the_log_is_applied(story):
    ended = story.endings.sessions
    assert [each.is_active() for each in ended] == [True] * 3, "the standby does not know"
    report = story.endings.apply_again(story.since)
    applied = report["sessions"]["applied"] + report["users"]["applied"]
    assert applied == len(ended)
    assert [each.is_active() for each in ended] == [False] * 3
    assert [each.refresh().body["reason"] for each in ended] == [each.reason for each in ended]
    again = story.endings.apply_again(story.since)
    assert again["sessions"]["applied"] + again["users"]["applied"] == 0
    assert all(refresher.is_signed_in() for refresher in [*story.busy, story.quiet])
    record(
        "fail-over",
        "PostgreSQL, asynchronous standby, `db restored`",
        {"endings lost": len(ended), "endings applied again": applied},
    )
