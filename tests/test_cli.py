"""The `perennial` command as its process runs: exit codes, one line on stderr, and nothing secret."""

import json
import os
import stat
import sys

import pytest

import app.cli
from app.settings import DEVELOPMENT_ISSUER, Settings, variable
from app.store import schema

HUNTER = "hunter2hunter2"


@pytest.fixture
def perennial(tmp_path, monkeypatch, capsys):
    """Call the console script's own function: (exit status, stdout, lines on stderr)."""
    made = []
    real = app.cli.create_app

    def remembered(settings):
        made.append(real(settings))
        return made[-1]

    monkeypatch.setattr(app.cli, "create_app", remembered)  # only to close what it opens
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("PERENNIAL_ENV", "development")
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "")
    mask = os.umask(0o022)

    def call(*args: str, **settings: str) -> tuple[int, str, list[str]]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["perennial", *args])
            for name, value in settings.items():
                patch.setenv(f"PERENNIAL_{name}", value)
            with pytest.raises(SystemExit) as end:
                app.cli.main()
        for each in made:
            run = each.extensions["perennial"]
            run.transactions.dispose()
            run.rotations.dispose()
        written = capsys.readouterr()
        return end.value.code, written.out, written.err.splitlines()

    yield call
    os.umask(mask)


def one_line(outcome, status) -> str:
    """Nothing on stdout, one line on stderr that is no trace."""
    code, out, err = outcome
    assert (code, out, len(err)) == (status, "", 1), outcome
    return err[0]


# --- settings and usage: exit 2 -------------------------------------------------------------------

WRONG = {
    "unknown": ({"ISSUR": "https://id.example.com"}, "PERENNIAL_ISSUR", "PERENNIAL_ISSUER"),
    "malformed": ({"ACCESS_TOKEN_TTL": "soon"}, "PERENNIAL_ACCESS_TOKEN_TTL", "whole seconds"),
    "unsafe": (
        {"ENV": "production", "ISSUER": "http://id.example.com"},
        "PERENNIAL_ISSUER",
        "https",
    ),
    "secret": ({"DATABASE_URL": f"mysql://a:{HUNTER}@b/c"}, "PERENNIAL_DATABASE_URL", "expected"),
}


@pytest.mark.parametrize(("settings", "name", "expectation"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("command", [["serve"], ["db", "current"], ["keys", "list", "--json"]])
def test_a_wrong_setting_is_one_line_that_names_it(
    perennial, tmp_path, command, settings, name, expectation
):
    said = one_line(perennial(*command, **settings), 2)
    assert said.startswith(f"{name}: ")
    assert expectation in said
    assert HUNTER not in said
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


def test_production_does_not_serve_without_an_issuer_and_other_commands_need_none(perennial):
    said = one_line(perennial("serve", ENV="production"), 2)
    assert said.startswith("PERENNIAL_ISSUER: expected an https URL")
    assert perennial("db", "upgrade", ENV="production")[0] == 0
    assert perennial("client", "list", ENV="production")[0] == 0


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["serve", "--bind", "127.0.0.1"],
        ["serve", "--bind", "127.0.0.1:0"],
        ["serve", "--bind", "127.0.0.1:99999"],
        ["serve", "--bind", "127.0.0.1:http"],
        ["serve", "--bind", "[::1:8000"],
        ["serve", "--workers", "0"],
        ["serve", "--threads", "many"],
        ["serve", "--port", "8000"],
        ["db", "downgrade"],
        ["db", "upgrade", "now"],
        ["db", "restored", "--log", "-"],
        ["db", "restored", "--since", "yesterday", "--log", "-"],
        ["db", "restored", "--since", "0", "--log", "missing.log"],
        ["user", "create"],
        ["user", "create", "alice", "--password", HUNTER],
        ["client", "create", "--grant", "password"],
        ["client", "create", "--name", "App", "--grant", "implicit"],
        ["keys", "retire"],
        ["keys", "rotate", "--later"],
        ["session", "revoke-all"],
    ],
)
def test_a_wrong_call_is_one_line(perennial, args):
    assert HUNTER not in one_line(perennial(*args), 2)


@pytest.mark.parametrize("group", [[], ["keys"]])
def test_a_group_alone_lists_its_commands_one_to_a_line(perennial, group):
    code, out, err = perennial(*group)
    assert code == 2
    assert len(out.splitlines() + err) > 5, "help folded into one line helps nobody"


def test_help_lists_every_command_and_no_option_that_does_nothing(perennial):
    code, out, err = perennial("--help")
    assert (code, err) == (0, [])
    for command in ("client", "db", "demo", "keys", "serve", "session", "user"):
        assert f"\n  {command} " in out
    for ignored in ("--env-file", "--app", "--debug"):
        assert ignored not in out


# --- refusals: exit 1 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ["user", "create", "alice"],
        ["client", "list"],
        ["keys", "list"],
        ["session", "list", "--json"],
        ["session", "revoke", "x"],
    ],
)
def test_a_database_that_was_never_migrated_says_what_to_run(perennial, database_url, args):
    said = one_line(perennial(*args, DATABASE_URL=database_url), 1)
    assert "perennial db upgrade" in said


def test_serve_refuses_a_database_that_was_never_migrated_and_makes_no_key(perennial, tmp_path):
    assert one_line(perennial("serve"), 1) == "migrations: run `perennial db upgrade`"
    assert not (tmp_path / "keys").exists()


def test_the_database_is_upgraded_and_tells_its_revision(perennial):
    code, out, err = perennial("db", "current")
    assert (code, out) == (1, "none\n")
    assert err == [f"this version needs {schema.wanted()}: run `perennial db upgrade`"]
    for _ in range(2):
        assert perennial("db", "upgrade") == (0, f"database is at {schema.wanted()}\n", [])
    assert perennial("db", "current") == (0, f"{schema.wanted()}\n", [])


@pytest.mark.parametrize("command", [["db", "current"], ["db", "upgrade"], ["user", "create", "a"]])
def test_a_database_out_of_reach_is_one_line_without_its_password(perennial, command):
    url = f"postgresql+psycopg://perennial:{HUNTER}@127.0.0.1:1/perennial"
    said = one_line(perennial(*command, DATABASE_URL=url), 1)
    assert said.startswith("database: ")
    assert HUNTER not in said


def test_what_is_no_database_is_one_line(perennial, tmp_path):
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    said = one_line(perennial("client", "list", DATABASE_URL="sqlite:///notes.txt"), 1)
    assert said.startswith("database: ")


def test_a_database_folder_that_cannot_be_made_is_one_line(perennial, tmp_path):
    (tmp_path / "file").write_text("in the way")
    url = f"sqlite:///{tmp_path}/file/perennial.db"
    one_line(perennial("client", "list", DATABASE_URL=url), 1)


@pytest.mark.parametrize("command", [["serve"], ["keys", "rotate"], ["keys", "retire", "x"]])
def test_a_key_directory_that_cannot_be_made_is_one_line(perennial, tmp_path, command):
    (tmp_path / "link").symlink_to("nowhere")
    perennial("db", "upgrade")
    one_line(perennial(*command, KEYS_DIR=f"{tmp_path}/link"), 1)


@pytest.mark.clause("rfc7517-9.2-02")
@pytest.mark.parametrize("target", ["keys", "a key", "a secret"])
def test_keys_that_others_could_read_stop_the_start(perennial, tmp_path, target):
    perennial("demo")
    keys = tmp_path / "keys"
    path = {
        "keys": keys,
        "a key": next(keys.glob("*.pem")),
        "a secret": keys / "refresh-1.secret",
    }[target]
    path.chmod(path.stat().st_mode | 0o044)
    said = one_line(perennial("serve"), 1)
    assert said.startswith(f"{path.name}: mode 0")
    assert "lets others in" in said


def test_a_lost_signing_key_stops_the_start_with_the_way_out(perennial, tmp_path):
    perennial("demo")
    rows = json.loads(perennial("keys", "list", "--json")[1])
    lost = next(row["kid"] for row in rows if row["state"] == "active")
    (tmp_path / "keys" / f"{lost}.pem").unlink()
    said = one_line(perennial("serve"), 1)
    assert said.startswith(f"signing key {lost} is active but not in the keystore")
    assert "`perennial keys rotate --now`" in said


def test_a_passphrase_that_is_missing_or_new_stops_the_start(perennial, tmp_path):
    (tmp_path / "passphrase").write_text("open sesame\n")
    (tmp_path / "passphrase").chmod(0o600)
    given = {"KEYS_PASSPHRASE_FILE": str(tmp_path / "passphrase")}
    assert perennial("demo", **given)[0] == 0
    for file in (tmp_path / "keys").glob("*.pem"):
        assert b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes()
    assert "PERENNIAL_KEYS_PASSPHRASE_FILE" in one_line(perennial("serve"), 1)
    (tmp_path / "passphrase").write_text("another\n")
    said = one_line(perennial("serve", **given), 1)
    assert said.endswith(".pem: not a readable private key")
    (tmp_path / "passphrase").chmod(0o644)
    assert one_line(perennial("serve", **given), 2).startswith("PERENNIAL_KEYS_PASSPHRASE_FILE")


NOT_TEXT = "\udcff"  # what Python makes of a byte that is not UTF-8


@pytest.mark.parametrize(
    "args",
    [
        ["user", "disable", NOT_TEXT],
        ["user", "create", NOT_TEXT],
        ["user", "create", "alice", "--email", NOT_TEXT],
        ["client", "show", NOT_TEXT],
        ["client", "create", "--name", NOT_TEXT, "--grant", "refresh_token"],
        ["session", "show", NOT_TEXT],
        ["session", "revoke-all", "--user", NOT_TEXT],
    ],
)
def test_an_argument_that_is_no_text_is_one_line(perennial, args):
    perennial("demo")
    outcome = perennial(*args)
    one_line(outcome, outcome[0])
    assert outcome[0] in {1, 2}


# --- demo -----------------------------------------------------------------------------------------


def test_demo_data_is_for_development(perennial, tmp_path):
    settings = {"ENV": "production", "ISSUER": "https://id.example.com"}
    assert "development" in one_line(perennial("demo", **settings), 1)
    assert not (tmp_path / "keys").exists()
    assert not (tmp_path / "instance" / "demo.json").exists()


def test_a_demo_is_made_once_kept_to_its_owner_and_printed_again(perennial, tmp_path):
    code, first, _ = perennial("demo")
    assert code == 0
    kept = tmp_path / "instance" / "demo.json"
    content = kept.read_text()
    assert set(json.loads(content)) == {"username", "password", "client_id", "client_secret"}
    private = [kept, tmp_path / "instance" / "perennial.db", *(tmp_path / "keys").iterdir()]
    for path in private:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path.name
    for folder in ("instance", "keys"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
    assert perennial("demo") == (0, first, [])
    assert kept.read_text() == content
    assert len(json.loads(perennial("client", "list", "--json")[1])) == 1
    for line in ("/oauth/token", "/oauth/revoke", "/.well-known/jwks.json", "export PERENNIAL_ENV"):
        assert line in first
    assert f"user name demo, password {json.loads(content)['password']}" in first


def test_the_lines_of_a_demo_work_also_after_the_database_was_deleted(perennial, tmp_path):
    perennial("demo")
    for file in (tmp_path / "instance").glob("perennial.db*"):
        file.unlink()
    for file in (tmp_path / "keys").glob("*.*"):
        file.unlink()
    code, out, _ = perennial("demo")
    assert code == 0
    listed = json.loads(perennial("client", "list", "--json")[1])
    assert [client["client_id"] for client in listed if client["client_id"] in out] != []


def test_a_demo_speaks_of_the_issuer_that_it_was_given(perennial):
    out = perennial("demo", ISSUER="http://127.0.0.1:9000")[1]
    assert "http://127.0.0.1:9000/oauth/token" in out
    assert DEVELOPMENT_ISSUER not in out
