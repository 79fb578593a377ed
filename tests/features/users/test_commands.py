"""`perennial user …`: what an operator does to people's accounts."""

import pytest
from sqlalchemy import select, text

from app.store.users import UserRow
from tests.console import Console
from tests.site import PASSWORD

NEW = "a brand new pass phrase"
WITH_PASSWORD = ("--password-stdin",)


@pytest.fixture
def perennial(any_site):
    return Console(any_site.app)


def rows(site) -> dict[str, object]:
    with site.run.rotations.connect() as connection:
        return {row.username: row for row in connection.execute(select(UserRow.__table__))}


def can_sign_in(site, client, password, name="alice") -> bool:
    answer = site.token(client, grant_type="password", username=name, password=password)
    assert answer.status_code in {200, 400}, answer.text
    return answer.status_code == 200


def test_a_person_is_created_and_signs_in(perennial, any_site):
    site = any_site
    made = perennial.json("user", "create", "alice", *WITH_PASSWORD, input=f"{PASSWORD}\n")
    assert set(made) == {"user_id", "username"}
    assert made["username"] == "alice"
    assert rows(site)["alice"].id == made["user_id"]
    assert can_sign_in(site, site.client(), PASSWORD)


def test_an_email_is_kept_and_without_json_a_sentence_is_printed(perennial, any_site):
    said = perennial.done("user", "create", "alice", "--email", "alice@example.com")
    row = rows(any_site)["alice"]
    assert row.email == "alice@example.com"
    assert said == f"user alice created with id {row.id}\n"


def test_a_person_without_a_password_cannot_sign_in_until_one_is_set(perennial, any_site):
    site = any_site
    client = site.client()
    perennial.done("user", "create", "alice")
    assert rows(site)["alice"].password_hash is None
    for guess in ("", "None", "alice"):
        answer = site.token(client, grant_type="password", username="alice", password=guess)
        assert answer.status_code == 400
    perennial.done("user", "set-password", "alice", *WITH_PASSWORD, input=NEW)
    assert can_sign_in(site, client, NEW)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_line_ending_is_not_part_of_a_password_and_spaces_are(make_site, ending):
    site = make_site()
    perennial = Console(site.app)
    perennial.done("user", "create", "alice", *WITH_PASSWORD, input=f"  two words {ending}")
    client = site.client()
    assert can_sign_in(site, client, "  two words ")
    assert not can_sign_in(site, client, "two words")


@pytest.mark.parametrize("password", ["", "\n", "x" * 1025, "ü" * 513])
def test_a_password_that_is_empty_or_too_long_is_refused(make_site, password):
    site = make_site()
    perennial = Console(site.app)
    command = ("user", "create", "alice", *WITH_PASSWORD)
    assert perennial.refused(*command, input=password) == (
        "a password has 1 to 1024 bytes of UTF-8"
    )
    assert rows(site) == {}


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\x1b[31m", "a\u2028b", "\u200b"])
def test_a_name_that_cannot_be_shown_is_refused(make_site, name):
    site = make_site()
    perennial = Console(site.app)
    refusal = perennial.refused("user", "create", name)
    assert refusal == "a user name has 1 to 255 printable characters"


def test_a_name_is_taken_once_however_it_is_spelt(perennial):
    perennial.done("user", "create", "Zo\u00eb")
    assert perennial.refused("user", "create", "Zo\u00eb") == "user 'Zo\u00eb' exists already"
    assert "exists already" in perennial.refused("user", "create", "Zoe\u0308")
    for command in (("user", "disable"), ("user", "enable"), ("session", "revoke-all", "--user")):
        perennial.done(*command, "Zoe\u0308")


@pytest.mark.parametrize("name", ["' OR 1=1 --", "%", "nobody"])
@pytest.mark.parametrize("command", ["disable", "enable", "set-password"])
def test_nobody_is_not_somebody(make_site, command, name):
    site = make_site()
    before = site.user()
    options = WITH_PASSWORD if command == "set-password" else ()
    said = Console(site.app).refused("user", command, name, *options, input=NEW)
    assert said == f"there is no user {name!r}"
    row = rows(site)["alice"]
    assert (row.password_hash, row.auth_epoch) == (before.password_hash, 0)


@pytest.mark.clause("asvs5-v7-7.4.2-01")
def test_a_disabled_person_is_out_everywhere_and_an_enabled_one_signs_in_again(perennial, any_site):
    site = any_site
    site.user()
    site.user("bob")
    client = site.client()
    tokens = [site.sign_in(client) for _ in range(2)]
    bobs = site.sign_in(client, "bob")
    assert perennial.done("user", "disable", "alice") == "user alice disabled, 2 sessions ended\n"
    for token in tokens:
        refused = site.refresh(client, token["refresh_token"])
        assert refused.json["error"] == "invalid_grant"
        assert site.introspect(client, token["access_token"]) == {"active": False}
    assert not can_sign_in(site, client, PASSWORD)
    assert site.refresh(client, bobs["refresh_token"]).status_code == 200
    assert perennial.done("user", "enable", "alice") == "user alice enabled\n"
    assert can_sign_in(site, client, PASSWORD)
    assert site.refresh(client, tokens[0]["refresh_token"]).status_code == 400, "over for good"
    perennial.done("user", "disable", "alice")
    perennial.done("user", "disable", "alice")
    assert not can_sign_in(site, client, PASSWORD)


@pytest.mark.clause("rfc9700-4.14.2-06", "asvs5-v7-7.4.3-01")
def test_a_new_password_ends_every_session_and_the_old_one_is_refused(perennial, any_site):
    site = any_site
    site.user()
    client = site.client()
    before = site.sign_in(client)["refresh_token"]
    said = perennial.done("user", "set-password", "alice", *WITH_PASSWORD, input=f"{NEW}\n")
    assert said == "password of alice changed, 1 sessions ended\n"
    assert site.refresh(client, before).json["error"] == "invalid_grant"
    assert not can_sign_in(site, client, PASSWORD)
    assert can_sign_in(site, client, NEW)


def test_a_refused_password_changes_nothing(perennial, any_site):
    site = any_site
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    perennial.refused("user", "set-password", "alice", *WITH_PASSWORD, input="")
    assert site.refresh(client, token).status_code == 200
    assert can_sign_in(site, client, PASSWORD)


@pytest.mark.parametrize(
    "command",
    [
        ["user"],
        ["user", "create"],
        ["user", "set-password", "alice"],
        ["user", "create", "alice", "--password", PASSWORD],
        ["user", "remove", "alice"],
        ["user", "disable", "alice", "bob"],
    ],
)
def test_a_wrong_call_is_a_usage_error_and_no_password_is_ever_an_argument(make_site, command):
    site = make_site()
    assert Console(site.app)(*command).exit_code == 2
    assert rows(site) == {}


def test_neither_password_nor_hash_is_printed(perennial, any_site):
    site = any_site
    outputs = [
        perennial("user", "create", "alice", *WITH_PASSWORD, input=PASSWORD),
        perennial("user", "set-password", "alice", *WITH_PASSWORD, input=NEW),
        perennial("user", "create", "alice", *WITH_PASSWORD, input=PASSWORD),
    ]
    printed = "".join(result.output for result in outputs)
    assert PASSWORD not in printed
    assert NEW not in printed
    assert "argon2" not in printed
    assert rows(site)["alice"].password_hash.startswith("$argon2id$")


def test_the_same_email_is_refused_or_taken_on_both_databases(perennial):
    """A column of 255 characters is a promise on PostgreSQL only."""
    said = perennial.refused("user", "create", "alice", "--email", "x" * 300)
    assert "255" in said


def test_what_an_operator_did_is_in_the_audit(perennial, any_site):
    perennial.done("user", "create", "alice")
    perennial.done("user", "disable", "alice")
    perennial.done("user", "enable", "alice")
    with any_site.run.rotations.connect() as connection:
        events = connection.execute(text("SELECT event FROM audit ORDER BY id")).scalars().all()
    assert events[-3:] == ["user_created", "user_sessions_ended", "user_enabled"]
