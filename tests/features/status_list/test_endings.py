"""However a session ends, every host publishes its bit within a second, and nobody else's."""

import pytest
from sqlalchemy import text

from app.core.sessions import EndReason
from app.features.recovery import use_case as recovery
from app.features.sessions.jobs import FINISH
from app.protocol import sign_out
from app.store import sessions, users
from tests.console import Console
from tests.protocol.expect import claims
from tests.site import PASSWORD


def revoke_token(hosts, tokens):
    assert hosts.main.revoke(hosts.client, tokens["refresh_token"]).status_code == 200


def revoke_by_operator(hosts, tokens):
    sid = claims(tokens["access_token"])["sid"]
    Console(hosts.main.app).done("session", "revoke", sid)


def sign_out_everywhere(hosts, _):
    Console(hosts.main.app).done("session", "revoke-all", "--user", "alice")


def change_password(hosts, _):
    Console(hosts.main.app).done(
        "user", "set-password", "alice", "--password-stdin", input=f"{PASSWORD}!\n"
    )


def disable_user(hosts, _):
    Console(hosts.main.app).done("user", "disable", "alice")


def steal(hosts, tokens):
    first = tokens["refresh_token"]
    second = hosts.main.refresh(hosts.client, first).json["refresh_token"]
    hosts.main.refresh(hosts.client, second)
    assert hosts.main.refresh(hosts.client, first).json["reason"] == "session_reused"


ENDINGS = (
    revoke_token,
    revoke_by_operator,
    sign_out_everywhere,
    change_password,
    disable_user,
    steal,
)


@pytest.mark.parametrize("end", ENDINGS)
def test_an_ending_is_published_by_every_host_within_a_second(hosts, end):
    hosts.main.user("bob")
    tokens, others = hosts.sign_in(), hosts.sign_in("bob")
    assert hosts.bits(tokens["access_token"]) == [0, 0]
    end(hosts, tokens)
    hosts.pass_time(0.5)
    assert hosts.bits(tokens["access_token"]) == [1, 1]
    assert hosts.bits(others["access_token"]) == [0, 0]


def test_a_session_begun_after_everything_ended_lives(hosts):
    before = hosts.sign_in()["access_token"]
    sign_out_everywhere(hosts, None)
    after = hosts.sign_in()["access_token"]
    hosts.pass_time(1)
    assert hosts.bits(before) == [1, 1]
    assert hosts.bits(after) == [0, 0]


def test_enabling_a_person_brings_no_session_back(hosts):
    token = hosts.sign_in()["access_token"]
    disable_user(hosts, None)
    Console(hosts.main.app).done("user", "enable", "alice")
    hosts.pass_time(1)
    assert hosts.bits(token) == [1, 1]


def test_an_access_token_that_was_revoked_alone_is_not_in_the_list(hosts):
    tokens = hosts.sign_in()
    hosts.main.revoke(hosts.client, tokens["access_token"])
    hosts.pass_time(1)
    assert hosts.main.introspect(hosts.client, tokens["access_token"]) == {"active": False}
    assert hosts.bits(tokens["access_token"]) == [0, 0]


class PowerCutError(Exception):
    pass


@pytest.fixture
def interrupted(hosts, monkeypatch):
    """Three sessions of a person whose end was cut short before any row was marked."""
    tokens = [hosts.sign_in()["access_token"] for _ in range(3)]
    assert hosts.bits(tokens[0]) == [0, 0]
    with monkeypatch.context() as patch:

        def cut(*_):
            raise PowerCutError

        patch.setattr(sessions, "mark_ended", cut)
        with hosts.main.run.rotations.connect() as connection:
            alice = users.find_by_name(connection, "alice")
        reason, now = EndReason.SIGN_OUT_EVERYWHERE, hosts.main.clock()
        with pytest.raises(PowerCutError):
            sign_out.end_everything(hosts.main.run, alice, reason, now)
    return tokens


def marks(site):
    with site.run.rotations.connect() as connection:
        query = text("SELECT revoked_at IS NOT NULL AS marked, revoke_reason FROM sessions")
        rows = connection.execute(query).all()
        waiting = connection.execute(text("SELECT count(*) FROM endings")).scalar_one()
    return [row.revoke_reason for row in rows if row.marked], waiting


def test_what_was_ended_and_not_yet_marked_is_published(hosts, interrupted):
    assert marks(hosts.main) == ([], 1)
    hosts.pass_time(0.5)
    assert [hosts.bits(token) for token in interrupted] == [[1, 1]] * 3


def test_a_job_marks_what_was_left_over(hosts, interrupted, capsys):
    FINISH.work(hosts.main.run)
    assert marks(hosts.main) == ([], 1), "the one who began may still be at it"
    hosts.pass_time(30)
    capsys.readouterr()
    FINISH.work(hosts.main.run)
    assert marks(hosts.main) == ([EndReason.SIGN_OUT_EVERYWHERE] * 3, 0)
    assert '"event": "user_sessions_ended"' in capsys.readouterr().err
    assert [hosts.bits(token) for token in interrupted] == [[1, 1]] * 3
    FINISH.work(hosts.main.run)
    assert "user_sessions_ended" not in capsys.readouterr().err


def test_an_ending_that_was_not_cut_short_leaves_nothing_over(hosts):
    hosts.sign_in()
    sign_out_everywhere(hosts, None)
    assert marks(hosts.main) == ([EndReason.SIGN_OUT_EVERYWHERE], 0)


def test_after_a_restore_no_place_is_given_that_may_have_been_given_before(hosts):
    """What the lost hours gave away is not in the copy."""
    before = claims(hosts.sign_in()["access_token"])["status"]["status_list"]["uri"]
    recovery.reapply(hosts.main.run, [], since=hosts.main.clock())
    after = claims(hosts.sign_in()["access_token"])["status"]["status_list"]["uri"]
    assert before != after
