"""What `perennial db restored` may touch, and what it says it could not bring back."""

import pytest

from app.core.events import (
    ClientDisabled,
    ClientSecretRotated,
    KeyRetired,
    ReuseDetected,
    SessionEnded,
    SignedIn,
    UserEnabled,
    UserSessionsEnded,
)
from app.store import users
from tests.features.recovery.conftest import written
from tests.site import PASSWORD, STARTED

NONE = {"applied": 0, "already": 0, "unknown": 0}


@pytest.fixture
def client(site):
    return site.client()


def alice(site) -> str:
    with site.run.rotations.connect() as connection:
        return users.find_by_name(connection, "alice").id


def everywhere(site, at: int, why="signed_out_everywhere") -> UserSessionsEnded:
    return UserSessionsEnded(user=alice(site), why=why, ended_at=at)


def ended(restored) -> list[bool]:
    """Of each session in the order of their beginnings."""
    return [reason is not None for reason in restored.sessions().values()]


def may_sign_in(site, client) -> bool:
    answer = site.token(client, grant_type="password", username="alice", password=PASSWORD)
    return answer.status_code == 200


# --- people ---------------------------------------------------------------------------------------


def test_sessions_that_began_after_a_log_out_everywhere_go_on(restored, site, client):
    for _ in range(3):
        site.sign_in(client)
        site.clock.advance(seconds=0.001)
    report = restored.apply_events(everywhere(site, STARTED + 1))
    assert ended(restored) == [True, True, False]
    assert (report["users"]["applied"], report["sessions_of_users"]) == (1, 2)


def test_of_several_log_outs_the_last_decides_in_whatever_order_they_are_read(
    restored, site, client
):
    for _ in range(3):
        site.sign_in(client)
        site.clock.advance(seconds=1)
    restored.apply_events(everywhere(site, STARTED + 1500), everywhere(site, STARTED + 500))
    assert ended(restored) == [True, True, False]


def test_more_sessions_than_a_batch_end(restored, site, client, monkeypatch):
    monkeypatch.setattr("app.store.sessions.BATCH", 2)
    for _ in range(5):
        site.sign_in(client)
    assert restored.apply_events(everywhere(site, site.clock()))["sessions_of_users"] == 5
    assert all(ended(restored))


def test_a_user_who_was_disabled_is_disabled_again_with_what_they_began_since(
    restored, site, client
):
    tokens = site.sign_in(client)
    event = everywhere(site, site.clock(), "user_disabled")
    site.clock.advance(seconds=5)
    site.sign_in(client)
    assert restored.apply_events(event)["users"] == {**NONE, "applied": 1}
    assert not may_sign_in(site, client)
    restored.perennial.done("user", "enable", "alice")
    assert site.refresh(client, tokens["refresh_token"]).json["reason"] == "session_ended"
    assert ended(restored) == [True, True]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_user_who_was_enabled_again_is_not_disabled(restored, site, client, newest_first):
    site.sign_in(client)
    disabled = written(everywhere(site, STARTED, "user_disabled"), STARTED)
    enabled = written(UserEnabled(user=alice(site)), STARTED + 1000)
    site.clock.advance(seconds=2)
    logs = [restored.log(disabled, "server.log"), restored.log(enabled, "operator.log")]
    first, second = reversed(logs) if newest_first else logs
    call = ("db", "restored", "--since", "0", "--log", first, "--log", second)
    assert restored.perennial.json(*call)["users"]["applied"] == 1
    assert ended(restored) == [True]
    assert may_sign_in(site, client)


def test_a_user_who_was_disabled_once_more_is_disabled(restored, site, client):
    events = (
        (everywhere(site, STARTED, "user_disabled"), STARTED),
        (UserEnabled(user=alice(site)), STARTED + 1000),
        (everywhere(site, STARTED + 2000, "user_disabled"), STARTED + 2000),
    )
    site.clock.advance(seconds=3)
    restored.apply("".join(written(*each) for each in events))
    assert not may_sign_in(site, client)


def test_nobody_is_brought_back(restored, site, client):
    tokens = site.sign_in(client)
    restored.perennial.done("user", "disable", "alice")
    before = restored.everything()
    restored.apply_events(
        UserEnabled(user=alice(site)), SignedIn("s", "c", alice(site), "password")
    )
    assert restored.everything() == before
    assert not may_sign_in(site, client)
    assert not site.introspect(client, tokens["refresh_token"])["active"]


def test_whose_password_is_an_older_one_again_is_said_until_it_is_set(restored, site, client):
    site.clock.advance(seconds=10)
    event = everywhere(site, site.clock() - 5000, "password_changed")
    assert restored.apply_events(event)["passwords_to_set"] == ["alice"]
    log = restored.log(written(event, site.clock()))
    said = restored.perennial.done("db", "restored", "--since", "0", "--log", log)
    assert "`perennial user set-password alice`" in said
    setting = ("user", "set-password", "alice", "--password-stdin")
    restored.perennial.done(*setting, input="a new pass phrase")
    assert restored.apply_events(event)["passwords_to_set"] == []


def test_a_log_out_alone_says_nothing_about_the_password(restored, site):
    assert restored.apply_events(everywhere(site, site.clock()))["passwords_to_set"] == []


# --- clients and keys -----------------------------------------------------------------------------


def test_whose_secret_is_an_older_one_again_is_said_until_it_is_rotated(restored, site, client):
    site.clock.advance(seconds=10)
    client_id = client.client.client_id
    event = ClientSecretRotated(client=client_id, rotated_at=site.clock() - 5000)
    stranger = ClientSecretRotated(client="c9", rotated_at=site.clock())
    report = restored.apply_events(event, stranger)
    assert report["client_secrets_to_rotate"] == [client_id]
    log = restored.log(written(event, site.clock()))
    said = restored.perennial.done("db", "restored", "--since", "0", "--log", log)
    assert f"`perennial client rotate-secret {client_id}`" in said
    restored.perennial.done("client", "rotate-secret", client_id)
    assert restored.apply_events(event)["client_secrets_to_rotate"] == []


def test_what_the_copy_does_not_know_is_counted(restored, site):
    before = restored.everything()
    report = restored.apply_events(
        SessionEnded("s9", "c9", "u9", "revoked_by_client"),
        ReuseDetected("s8", "c9", "u9", 2),
        UserSessionsEnded("u9", "password_changed", STARTED),
        ClientDisabled("c9"),
        KeyRetired("k9"),
    )
    assert restored.everything() == before
    assert (report["sessions"], report["access_tokens"]) == ({**NONE, "unknown": 2}, NONE)
    for kind in ("users", "clients", "signing_keys"):
        assert report[kind] == {**NONE, "unknown": 1}


def test_a_reason_of_another_version_ends_a_session_all_the_same(restored, site, client):
    sid = site.introspect(client, site.sign_in(client)["access_token"])["sid"]
    restored.apply_events(SessionEnded(sid, "c", "u", "phase_of_the_moon"))
    assert restored.sessions() == {sid: "revoked_by_operator"}
