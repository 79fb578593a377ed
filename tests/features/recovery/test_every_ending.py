"""Every way to end something leaves a line that ends it again in an older copy of the database."""

import json

import pytest

from app.core.sessions import EndReason
from app.features.secrets import use_case as secrets
from tests.console import Console
from tests.features.recovery.conftest import Restored
from tests.person import Person, exchange, web_app
from tests.site import Site

NEW = "another pass phrase"


@pytest.fixture
def journal(capsys):
    """Calls a command on a site and keeps what it wrote with what the server has written."""

    class Journal:
        text = ""

        def run(self, site, *args, typed=None):
            result = Console(site.app)(*args, input=typed)
            assert result.exit_code == 0, result.output
            self.text += result.stderr

        def read(self) -> str:
            return self.text + capsys.readouterr().err

    return Journal()


def by_client(journal, site, client, tokens):
    assert site.revoke(client, tokens["refresh_token"]).status_code == 200


def by_reuse(journal, site, client, tokens):
    site.refresh(client, tokens["refresh_token"])
    site.clock.advance(seconds=61)
    answer = site.refresh(client, tokens["refresh_token"])
    assert answer.json["reason"] == "session_reused"


def by_replaying_its_code(journal, site, client, tokens):
    assert exchange(site, client, tokens["code"]).status_code == 400


def by_operator(journal, site, client, tokens):
    sid = site.introspect(client, tokens["access_token"])["sid"]
    journal.run(site, "session", "revoke", sid)


def by_sign_out_everywhere(journal, site, client, tokens):
    journal.run(site, "session", "revoke-all", "--user", "alice")


def by_a_new_password(journal, site, client, tokens):
    journal.run(site, "user", "set-password", "alice", "--password-stdin", typed=NEW)


def by_disabling(journal, site, client, tokens):
    journal.run(site, "user", "disable", "alice")


def by_signing_out(journal, site, client, tokens):
    """From another application of the owner, as people do with a phone they have lost."""
    token = site.sign_in(site.client(first_party=True))["access_token"]
    sid = site.introspect(client, tokens["access_token"])["sid"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = site.http.delete(f"/api/v1/auth/sessions/{sid}", headers=headers)
    assert answer.status_code == 204


def by_one_too_many(journal, site, client, tokens):
    settings = site.run.settings
    strict = Site(settings.database_url, settings.keys_dir, max_sessions=1)
    strict.clock.now = site.clock()
    strict.sign_in(client)
    strict.close()


WAYS = {
    EndReason.CLIENT: by_client,
    EndReason.CODE_REPLAYED: by_replaying_its_code,
    EndReason.OPERATOR: by_operator,
    EndReason.REUSE: by_reuse,
    EndReason.SIGN_OUT_EVERYWHERE: by_sign_out_everywhere,
    EndReason.PASSWORD_CHANGED: by_a_new_password,
    EndReason.USER_DISABLED: by_disabling,
    EndReason.SIGNED_OUT: by_signing_out,
    EndReason.LIMIT: by_one_too_many,
}


def test_no_way_to_end_a_session_is_forgotten():
    """Secrets and keys that are given up end the sessions of many; they have tests of their own."""
    assert set(WAYS) == set(EndReason) - {EndReason.SECRET_RETIRED, EndReason.KEY_COMPROMISED}


def test_sessions_that_a_retired_secret_ended_end_again(site, duplicate, journal, tmp_path):
    client = site.client()
    site.user()
    tokens = [site.sign_in(client)["refresh_token"] for _ in range(2)]
    for _ in range(2):
        site.clock.advance(seconds=60)
        assert secrets.rotate(site.run, site.clock(), site.clock.advance).events
    site.clock.advance(seconds=60)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    journal.run(site, "secrets", "retire", "1", "--force")
    copy.site.clock.now = site.clock() + 1000
    report = copy.apply(journal.read())
    assert report["sessions"]["applied"] == 2
    for token in tokens:
        assert copy.site.refresh(client, token).json["reason"] == "session_ended"
    assert set(copy.sessions().values()) == {EndReason.SECRET_RETIRED}


@pytest.mark.parametrize("reason", WAYS)
def test_a_session_that_had_ended_ends_again_for_the_same_reason(
    any_site, duplicate, journal, tmp_path, reason
):
    site, client = any_site, web_app(any_site, "password")
    site.user()
    site.user("bob")
    tokens = signed_in(site, client, reason)
    bobs = site.sign_in(client, "bob")
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    WAYS[reason](journal, site, client, tokens)
    copy.site.clock.now = site.clock() + 1000
    assert copy.site.introspect(client, tokens["refresh_token"])["active"], "it lives again"

    log = journal.read()
    report = copy.apply(log)
    assert sum(report[kind]["applied"] for kind in ("sessions", "users")) == 1
    assert copy.site.introspect(client, tokens["refresh_token"]) == {"active": False}
    assert copy.site.introspect(client, tokens["access_token"]) == {"active": False}
    refused = copy.site.refresh(client, tokens["refresh_token"])
    ended = "session_reused" if reason is EndReason.REUSE else "session_ended"
    assert (refused.json["error"], refused.json["reason"]) == ("invalid_grant", ended)
    assert copy.sessions()[sid_of(site, client, bobs)] is None
    assert copy.site.refresh(client, bobs["refresh_token"]).status_code == 200
    assert reason in copy.sessions().values()

    after = copy.everything()
    again = copy.apply(log)
    assert copy.everything() == after, "a second run changes nothing"
    assert sum(again[kind]["already"] for kind in ("sessions", "users")) == 1


def signed_in(site, client, reason) -> dict[str, str]:
    if reason is not EndReason.CODE_REPLAYED:
        return site.sign_in(client)
    code = Person(site).code(client)
    return {**exchange(site, client, code).json, "code": code}


def sid_of(site, client, tokens) -> str:
    return site.introspect(client, tokens["access_token"])["sid"]


def test_what_the_command_did_is_told_again_for_the_next_time(site, duplicate, journal, tmp_path):
    client = site.client()
    site.user()
    site.user("bob")
    tokens, bobs = site.sign_in(client), site.sign_in(client, "bob")
    first = Restored(duplicate(site, "first.db"), tmp_path)
    second = Restored(duplicate(site, "second.db"), tmp_path)
    by_client(journal, site, client, tokens)
    journal.run(site, "session", "revoke-all", "--user", "bob")
    log = first.log(journal.read())
    told = first.perennial("db", "restored", "--since", "0", "--log", log).stderr
    events = [json.loads(line)["event"] for line in told.splitlines() if line.startswith("{")]
    assert events == ["session_ended", "user_sessions_ended"]
    second.apply(told)
    assert not second.site.introspect(client, tokens["refresh_token"])["active"]
    assert not second.site.introspect(client, bobs["refresh_token"])["active"]


def test_what_ended_again_is_in_the_audit(site, duplicate, journal, tmp_path):
    client = site.client()
    site.user()
    site.user("bob")
    tokens, _ = site.sign_in(client), site.sign_in(client, "bob")
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    before = len(copy.everything()["audit"])
    by_client(journal, site, client, tokens)
    journal.run(site, "session", "revoke-all", "--user", "bob")
    journal.run(site, "client", "disable", client.client.client_id)
    copy.apply(journal.read())
    told = [row.event for row in copy.everything()["audit"][before:]]
    assert sorted(told) == ["client_disabled", "session_ended", "user_sessions_ended"]


def test_a_disabled_client_is_disabled_again(site, duplicate, journal, tmp_path):
    client = site.client()
    site.user()
    tokens = site.sign_in(client)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    journal.run(site, "client", "disable", client.client.client_id)
    log = journal.read()
    assert copy.apply(log)["clients"] == {"applied": 1, "already": 0, "unknown": 0}
    copy.site.clock.advance(seconds=6)
    assert copy.site.refresh(client, tokens["refresh_token"]).json["error"] == "invalid_client"
    after = copy.everything()
    assert copy.apply(log)["clients"] == {"applied": 0, "already": 1, "unknown": 0}
    assert copy.everything() == after


def test_a_denied_access_token_is_denied_again_as_long_as_it_lives(
    site, duplicate, journal, tmp_path
):
    client = site.client()
    site.user()
    tokens = site.sign_in(client)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    site.revoke(client, tokens["access_token"])
    log = journal.read()
    assert copy.site.introspect(client, tokens["access_token"])["active"]
    assert copy.apply(log)["access_tokens"] == {"applied": 1, "already": 0, "unknown": 0}
    assert not copy.site.introspect(client, tokens["access_token"])["active"]
    assert copy.site.introspect(client, tokens["refresh_token"])["active"], "only the token"
    assert copy.apply(log)["access_tokens"]["already"] == 1
    late = Restored(duplicate(site, "late.db"), tmp_path)
    late.site.clock.advance(seconds=900)
    assert late.apply(log)["access_tokens"] == {"applied": 0, "already": 1, "unknown": 0}


def test_a_retired_key_is_retired_again(site, duplicate, journal, tmp_path):
    old = active(site)
    promote_another(site)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    journal.run(site, "keys", "retire", "--", old)
    log = journal.read()
    assert copy.apply(log)["signing_keys"] == {"applied": 1, "already": 0, "unknown": 0}
    states = {row["kid"]: row["state"] for row in copy.perennial.json("keys", "list")}
    assert states[old] == "retired"
    assert copy.apply(log)["signing_keys"] == {"applied": 0, "already": 1, "unknown": 0}


def test_a_retired_key_that_signs_again_is_a_failure_that_says_what_to_do(
    site, duplicate, journal, tmp_path
):
    old = active(site)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    promote_another(site)
    journal.run(site, "keys", "retire", "--", old)
    log = copy.log(journal.read())
    result = copy.perennial("db", "restored", "--since", "0", "--log", log)
    assert result.exit_code == 1
    copy.site.clock.now = site.clock()
    assert f"signing key {old} had been retired and is active again" in result.stdout
    promote_another(copy.site)
    copy.perennial.done("keys", "retire", "--", old)
    assert copy.perennial("db", "restored", "--since", "0", "--log", log).exit_code == 0


def test_a_key_that_was_given_up_is_given_up_again(site, duplicate, journal, tmp_path):
    bad = active(site)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    for each in (site, copy.site):
        each.clock.advance(seconds=330)
    journal.run(site, "keys", "compromise", "--end-sessions", "--", bad)
    log = journal.read()
    assert copy.apply(log)["signing_keys"] == {"applied": 1, "already": 0, "unknown": 0}
    states = {row["kid"]: row["state"] for row in copy.perennial.json("keys", "list")}
    assert states[bad] == "compromised"
    assert active(copy.site) == active(site)
    assert copy.apply(log)["signing_keys"] == {"applied": 0, "already": 1, "unknown": 0}


def test_a_key_that_was_given_up_and_has_no_successor_is_a_failure(
    site, duplicate, journal, tmp_path
):
    bad = active(site)
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    journal.run(site, "keys", "compromise", "--all", "--", bad)
    log = copy.log(journal.read())
    result = copy.perennial("db", "restored", "--since", "0", "--log", log)
    assert result.exit_code == 1
    assert f"signing key {bad} had been compromised and signs again" in result.stdout
    copy.perennial.done("keys", "compromise", "--all", "--", bad)
    assert copy.perennial("db", "restored", "--since", "0", "--log", log).exit_code == 0


def test_sessions_that_a_compromised_key_ended_end_again(site, duplicate, journal, tmp_path):
    client = site.client()
    site.user()
    token = site.sign_in(client)["refresh_token"]
    copy = Restored(duplicate(site, "older.db"), tmp_path)
    site.clock.advance(seconds=330)
    journal.run(site, "keys", "compromise", "--end-sessions", "--", active(site))
    copy.site.clock.advance(seconds=330)
    assert copy.apply(journal.read())["sessions"]["applied"] == 1
    assert copy.site.refresh(client, token).json["reason"] == "session_ended"
    assert set(copy.sessions().values()) == {EndReason.KEY_COMPROMISED}


def active(site) -> str:
    rows = Console(site.app).json("keys", "list")
    return next(row["kid"] for row in rows if row["state"] == "active")


def promote_another(site) -> None:
    """`keys rotate --now`, which would ask when its process began."""
    site.clock.advance(seconds=1)
    site.run.ceremony().rotate(at_once=True, called_at=site.clock(), now=site.clock())
    site.clock.advance(seconds=1)
