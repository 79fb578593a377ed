"""The decision table over HTTP, the same on both databases: what a client sees, and what stays."""

import dataclasses
import json

import pytest
from sqlalchemy import text

KEY = "a-key-of-one-token-0001"
OTHER_KEY = "a-key-of-one-token-0002"
PHONE = ("192.0.2.7", "Phone/7")
SHELL = ("198.51.100.9", "curl/8")
GARBAGE = "prn_rt_" + "0" * 64


@pytest.fixture
def signed_in(any_site):
    """A site with a session: (site, client, first refresh token)."""
    any_site.user()
    client = any_site.client()
    return any_site, client, any_site.sign_in(client)["refresh_token"]


def row(site) -> dict[str, object]:
    with site.run.rotations.connect() as connection:
        return dict(connection.execute(text("SELECT * FROM sessions")).mappings().one())


def refused(answer, reason=None, error="invalid_grant"):
    assert answer.status_code == 400, answer.text
    assert answer.json["error"] == error
    assert answer.json.get("reason") == reason


def after(site, client, token, refreshes=1, **how) -> str:
    """The token after so many refreshes."""
    for _ in range(refreshes):
        answer = site.refresh(client, token, **how)
        assert answer.status_code == 200, answer.text
        token = answer.json["refresh_token"]
    return token


@pytest.mark.clause("rfc6749-6-07", "rfc6749-5.1-01")
def test_a_refresh_brings_the_next_token_and_moves_the_idle_end(signed_in):
    site, client, token = signed_in
    before = row(site)
    site.clock.advance(seconds=100)
    answer = site.refresh(client, token)
    assert answer.status_code == 200
    assert answer.json["refresh_token"] != token
    assert answer.json["refresh_token_timeout"] == 30 * 86_400
    assert answer.json["authorization_expires_in"] == 90 * 86_400 - 100
    now = row(site)
    assert now["gen"] == 2
    assert now["idle_expires_at"] == before["idle_expires_at"] + 100_000
    unchanged = set(now) - {"gen", "rotated_at", "last_seen_at", "idle_expires_at"}
    assert {name: now[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_r0_and_r1_what_is_not_a_token_changes_nothing(signed_in):
    site, client, token = signed_in
    before = row(site)
    for bogus in (
        GARBAGE,
        "x",
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token[:-7] + "9" * 7,
    ):
        refused(site.refresh(client, bogus))
    assert row(site) == before


@pytest.mark.clause("rfc6749-6-05", "rfc6749-10.4-03")
def test_r1_another_client_learns_nothing_and_changes_nothing(signed_in):
    site, client, token = signed_in
    successor = after(site, client, token, 3)
    before = row(site)
    thief = site.client()
    for stolen in (token, successor):
        refused(site.refresh(thief, stolen))
    assert row(site) == before


def test_r2_each_end_of_a_session_has_its_reason(make_any_site):
    site = make_any_site(refresh_idle_ttl=100, session_ttl=250)
    site.user()
    client = site.client()
    idle, expired = (site.sign_in(client)["refresh_token"] for _ in range(2))
    site.clock.advance(seconds=99)
    expired = after(site, client, expired)
    site.clock.advance(seconds=1)
    refused(site.refresh(client, idle), "session_idle")
    site.clock.advance(seconds=98)
    expired = after(site, client, expired)
    site.clock.advance(seconds=52)
    refused(site.refresh(client, expired), "session_expired")


def test_r2_a_revoked_session_stays_ended(signed_in):
    site, client, token = signed_in
    assert site.revoke(client, token).status_code == 200
    before = row(site)
    refused(site.refresh(client, token), "session_ended")
    site.clock.advance(seconds=1_000)
    refused(site.refresh(client, token), "session_ended")
    assert row(site) == before


@pytest.mark.clause("rfc9700-4.14.2-06", "asvs5-v10-10.4.5-02", "rfc6749-10.4-04")
def test_r7_an_ancestor_ends_the_session_at_once(signed_in):
    site, client, token = signed_in
    current = after(site, client, token, 2)
    refused(site.refresh(client, token), "session_reused")
    refused(site.refresh(client, current), "session_reused")
    ended = row(site)
    assert ended["revoke_reason"] == "token_reused"
    assert ended["gen"] == 3


def test_r7_the_end_is_written_to_the_audit_in_the_same_transaction(signed_in):
    site, client, token = signed_in
    after(site, client, token, 2)
    site.refresh(client, token)
    with site.run.rotations.connect() as connection:
        entry = (
            connection.execute(text("SELECT * FROM audit WHERE event = 'reuse_detected'"))
            .mappings()
            .one()
        )
    assert entry["session"] == row(site)["public_id"]
    sides = json.loads(entry["detail"])
    assert [sides[side]["generation"] for side in ("rotated", "replayed")] == [2, 1]


def test_r6_the_parent_gets_the_same_successor_inside_the_window_and_writes_nothing(signed_in):
    site, client, token = signed_in
    successor = after(site, client, token)
    before = row(site)
    for _ in range(3):
        site.clock.advance(seconds=20)
        assert after(site, client, token) == successor
    assert row(site) == before


def test_r7_the_parent_is_reuse_one_millisecond_after_the_window(signed_in):
    site, client, token = signed_in
    after(site, client, token)
    site.clock.advance(seconds=60.001)
    refused(site.refresh(client, token), "session_reused")


def test_r6k_the_key_of_the_lost_answer_opens_a_week_later(signed_in):
    site, client, token = signed_in
    successor = after(site, client, token, key=KEY)
    site.clock.advance(seconds=7 * 86_400)
    assert after(site, client, token, key=KEY) == successor
    assert after(site, client, token, key=f'"{KEY}"') == successor


@pytest.mark.parametrize("key", [OTHER_KEY, None])
def test_r6k_another_key_past_the_window_is_reuse(signed_in, key):
    site, client, token = signed_in
    after(site, client, token, key=KEY)
    site.clock.advance(seconds=61)
    refused(site.refresh(client, token, key=key), "session_reused")


def test_r6k_only_while_the_successor_is_current(signed_in):
    site, client, token = signed_in
    after(site, client, token, 2, key=KEY)
    site.clock.advance(seconds=61)
    refused(site.refresh(client, token, key=KEY), "session_reused")


def test_r6k_a_constant_key_proves_nothing(signed_in):
    site, client, token = signed_in
    parent = after(site, client, token, key=KEY)
    after(site, client, parent, key=KEY)
    site.clock.advance(seconds=61)
    refused(site.refresh(client, parent, key=KEY), "session_reused")


def test_r6k_a_client_registered_until_used_needs_no_key(any_site):
    any_site.user()
    client = any_site.client(recovery="until-used")
    token = any_site.sign_in(client)["refresh_token"]
    successor = after(any_site, client, token)
    any_site.clock.advance(seconds=86_400)
    assert after(any_site, client, token) == successor


@pytest.mark.parametrize(
    "key",
    [
        "short",
        "x" * 129,
        "with space in the key",
        "comma,comma,comma",
        'a"quote-in-the-key',
        "\\" * 16,
        '"' + KEY,
    ],
)
def test_a_malformed_key_is_refused_and_consumes_nothing(signed_in, key):
    site, client, token = signed_in
    refused(site.refresh(client, token, key=key), error="invalid_request")
    assert row(site)["gen"] == 1


@pytest.mark.clause("rfc6749-6-02")
def test_r3_asking_for_more_consumes_nothing(signed_in):
    site, client, token = signed_in
    refused(site.refresh(client, token, scope="read admin"), error="invalid_scope")
    refused(site.refresh(client, token, resource="https://a.example"), error="invalid_target")
    assert row(site)["gen"] == 1
    assert after(site, client, token)


def test_r4_a_client_with_an_interval_gets_its_token_back_until_it_has_passed(any_site):
    any_site.user()
    client = any_site.client(min_rotation_interval=5)
    token = after(any_site, client, any_site.sign_in(client)["refresh_token"])
    any_site.clock.advance(seconds=4.999)
    assert after(any_site, client, token) == token
    any_site.clock.advance(seconds=0.001)
    assert after(any_site, client, token) != token


def test_r8_a_token_ahead_of_a_restored_database_heals_it(signed_in):
    site, client, token = signed_in
    stolen = after(site, client, token)
    before = row(site)
    newest = after(site, client, stolen, 5)
    restore(site, before)
    healed = after(site, client, newest)
    assert row(site)["gen"] == 8
    assert after(site, client, healed)
    refused(site.refresh(client, stolen), "session_reused")


def test_r8_heals_a_row_whose_idle_end_has_passed(make_any_site):
    site = make_any_site(refresh_idle_ttl=1_000)
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    before = row(site)
    site.clock.advance(seconds=999)
    newest = after(site, client, token)
    restore(site, before)
    site.clock.advance(seconds=500)
    assert after(site, client, newest)


def test_r8_the_answer_of_a_heal_can_be_lost_too(signed_in):
    site, client, token = signed_in
    before = row(site)
    newest = after(site, client, token, 4)
    restore(site, before)
    successor = after(site, client, newest, key=KEY)
    site.clock.advance(seconds=3_600)
    assert after(site, client, newest, key=KEY) == successor


def test_w_zero_is_the_strict_profile(make_any_site):
    site = make_any_site(reuse_grace=0)
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    after(site, client, token, key=KEY)
    refused(site.refresh(client, token, key=KEY), "session_reused")


@pytest.mark.clause("rfc6749-6-03", "rfc6749-6-08", "rfc6749-5.1-04")
def test_narrowing_touches_the_access_token_only(signed_in):
    site, client, token = signed_in
    narrow = site.refresh(client, token, scope="read")
    assert narrow.json["scope"] == "read"
    wide = site.refresh(client, narrow.json["refresh_token"])
    assert wide.json["scope"] == "read write"


def test_two_hosts_with_different_active_secrets_give_one_successor(make_any_site):
    """A duplicate is derived with the secret of the row, whoever answers it (I15)."""
    site = make_any_site()
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    site.run.keystore.directory.new_secret(2)
    with site.run.transactions.begin() as connection:
        connection.execute(
            text("INSERT INTO secret_ids (id, state, created_at) VALUES (2, 'active', 0)")
        )
    newer = make_any_site()
    successor = newer.refresh(client, token).json["refresh_token"]
    assert row(site)["secret_id"] == 2
    site.run.keystore.forget()
    assert after(site, client, token) == successor


def test_r1c_a_host_that_lacks_the_secret_asks_to_come_again(make_any_site):
    site = make_any_site()
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    (site.run.keystore.directory.path / "refresh-1.secret").rename(
        site.run.keystore.directory.path / "kept"
    )
    site.run.keystore.directory.new_secret(2)
    with site.run.transactions.begin() as connection:
        connection.execute(
            text("INSERT INTO secret_ids (id, state, created_at) VALUES (2, 'active', 0)")
        )
    site.run.keystore.forget()
    answer = site.refresh(client, token)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert row(site)["gen"] == 1


def restore(site, before) -> None:
    """Put the session's row back to what it was: a fail-over that lost rotations."""
    names = ("gen", "secret_id", "rotated_at", "rotation_key_hash", "idle_expires_at")
    with site.run.transactions.begin() as connection:
        assignments = ", ".join(f"{name} = :{name}" for name in names)
        connection.execute(
            text(f"UPDATE sessions SET {assignments}"), {name: before[name] for name in names}
        )


def test_a_session_value_is_what_the_row_says(signed_in):
    """The columns a rule reads are those of the row: no field is filled from its neighbour."""
    from app.core.status_list import Place
    from app.store import sessions

    site, _, _ = signed_in
    stored = row(site)
    with site.run.rotations.connect() as connection:
        session = sessions.find(connection, bytes(stored["sid"]))
    renamed = {"generation": "gen", "current_epoch": "user_epoch"}
    for field in dataclasses.fields(session):
        if field.name not in {"user_disabled_at", "status"}:
            assert getattr(session, field.name) == stored[renamed.get(field.name, field.name)]
    assert session.status == Place(stored["status_list"], stored["status_idx"])


def test_a_rotation_remembers_from_where_and_a_repetition_does_not(signed_in):
    site, client, token = signed_in
    assert (row(site)["ip"], row(site)["user_agent"]) != PHONE
    assert site.refresh(client, token, device=PHONE).status_code == 200
    assert site.refresh(client, token, device=SHELL).status_code == 200
    assert (row(site)["ip"], row(site)["user_agent"]) == PHONE


@pytest.mark.parametrize("key", [None, KEY])
def test_a_repetition_from_elsewhere_is_told_to_the_operator(signed_in, capsys, key):
    """A thief inside the window looks like this; so does a client that changed networks."""
    site, client, token = signed_in
    successor = site.refresh(client, token, key=key, device=PHONE).json["refresh_token"]
    site.clock.advance(seconds=10 if key is None else 1_000)
    site.refresh(client, token, key=key, device=PHONE)
    assert "repeated_elsewhere" not in capsys.readouterr().err
    again = site.refresh(client, token, key=key, device=(PHONE[0], SHELL[1]))
    assert again.json["refresh_token"] == successor
    assert "repeated_elsewhere" in capsys.readouterr().err
