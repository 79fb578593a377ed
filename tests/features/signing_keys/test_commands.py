"""`perennial keys …`. What `rotate` does depends on when its process began, so that is a real one."""

import json
import re
import signal
import subprocess
from datetime import UTC, datetime

import flask_migrate
import pytest
from sqlalchemy import text

from app import create_app, system_clock
from app.services.runtime import runtime
from app.settings import Settings
from tests.console import Console
from tests.live import PERENNIAL, LiveServer
from tests.services.vaults import keystore_settings

SHAPE = {"kid", "state", "alg", "created_at", "signs_from", "retires_at"}
EARLY = "warning: verifiers that cache the key set may refuse tokens until they read it again"


class Host:
    """A machine with keys and the console script; no server runs."""

    def __init__(self, folder, database_url, keystore):
        chosen = keystore_settings(keystore, folder)
        variables = {f"PERENNIAL_{name.upper()}": str(value) for name, value in chosen.items()}
        env = {"PERENNIAL_LOG_FORMAT": "json", **variables}
        self.perennial = LiveServer(folder, database_url=database_url, env=env)
        url, keys = self.perennial.env["PERENNIAL_DATABASE_URL"], folder / "keys"
        app = create_app(Settings(database_url=url, keys_dir=keys, **chosen))
        self.run = runtime(app)
        with app.app_context():
            flask_migrate.upgrade()
        self.run.ceremony().establish(system_clock())
        self._console = Console(app)

    def list(self) -> list[dict[str, object]]:
        return self._console.json("keys", "list")

    def rotate(self, *options) -> tuple[str, str]:
        """Stdout, and the lines on stderr that are no log line."""
        done = self.perennial.cli("keys", "rotate", *options)
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        return done.stdout.strip(), "\n".join(said)


@pytest.fixture(params=["directory", "database"])
def host(request, postgresql, tmp_path):
    """Each keystore with the database that it is for: on one host, and on several."""
    several = request.param == "database"
    url = postgresql.create_database() if several else f"sqlite:///{tmp_path / 'perennial.db'}"
    made = Host(tmp_path, url, request.param)
    yield made
    made.run.transactions.dispose()
    made.run.rotations.dispose()
    if several:
        postgresql.drop_database(url)


def kids(rows, state) -> set[str]:
    return {row["kid"] for row in rows if row["state"] == state}


@pytest.fixture
def perennial(any_site):
    return Console(any_site.app)


def test_keys_are_listed_with_their_states_and_times_in_seconds(perennial, any_site):
    site = any_site
    rows = perennial.json("keys", "list")
    assert {frozenset(row) for row in rows} == {frozenset(SHAPE)}
    assert sorted(row["state"] for row in rows) == ["active", "next"]
    signing, waiting = sorted(rows, key=lambda row: row["state"])
    now = site.clock() // 1000
    assert {row["alg"] for row in rows} == {"RS256"}
    assert {row["created_at"] for row in rows} == {now}
    assert (signing["signs_from"], signing["retires_at"]) == (now, None)
    assert (waiting["signs_from"], waiting["retires_at"]) == (None, None)
    printed = perennial.done("keys", "list").splitlines()
    assert printed[0].split() == ["kid", "state", "alg", "created_at", "signs_from", "retires_at"]
    assert len(printed) == 3


def test_every_state_a_key_can_have_is_shown(perennial, any_site):
    site = any_site
    old = site.run.signer().kid
    for _ in range(2):
        site.clock.advance(seconds=600)
        now = site.clock()
        site.run.ceremony().rotate(at_once=True, called_at=now + 1, now=now)
    site.clock.advance(seconds=500)
    rows = perennial.json("keys", "list")
    assert {row["state"] for row in rows} == {"active", "next", "retiring", "retired"}
    assert kids(rows, "retired") == {old}
    with site.run.transactions.begin() as connection:
        connection.execute(
            text("UPDATE signing_keys SET compromised_at = 1 WHERE kid = :kid"), {"kid": old}
        )
    assert kids(perennial.json("keys", "list"), "compromised") == {old}


def test_a_dry_run_says_what_would_happen_and_changes_nothing(perennial, any_site):
    site = any_site
    before = perennial.json("keys", "list")
    waiting = kids(before, "next").pop()
    start = datetime.fromtimestamp(site.clock() / 1000 + 330, UTC).isoformat(timespec="seconds")
    said = perennial.done("keys", "rotate", "--dry-run")
    assert said == f"dry run: key {waiting} will sign from {start}\n"
    now = datetime.fromtimestamp(site.clock() / 1000, UTC).isoformat(timespec="seconds")
    said = perennial.done("keys", "rotate", "--dry-run", "--now")
    assert said == f"dry run: key {waiting} signs from {now}\n"
    assert perennial.json("keys", "list") == before
    (site.run.settings.keys_dir / f"{waiting}.pem").unlink()
    said = perennial.done("keys", "rotate", "--dry-run")
    assert said == "a new key would be made and promoted\n"
    assert perennial.json("keys", "list") == before


def test_a_key_that_has_stopped_signing_is_retired_and_no_other(perennial, any_site):
    site = any_site
    for kid in [*(row["kid"] for row in perennial.json("keys", "list")), "nobody"]:
        said = perennial.refused("keys", "retire", kid)
        assert said.startswith(f"key {kid} is not retiring;")
    old = site.run.signer().kid
    now = site.clock() + 1000
    site.clock.now = now
    site.run.ceremony().rotate(at_once=True, called_at=now + 1, now=now)
    assert old in site.run.keystore.published(now + 5000)
    assert perennial.done("keys", "retire", old) == f"key {old} is retired\n"
    assert old not in site.run.keystore.published(now)
    assert kids(perennial.json("keys", "list"), "retired") == {old}
    perennial.refused("keys", "retire", old)


@pytest.mark.parametrize(
    "options",
    [["keys"], ["keys", "retire"], ["keys", "rotate", "--later"], ["keys", "rotate", "x"]],
)
def test_a_wrong_call_is_a_usage_error(site, options):
    assert Console(site.app)(*options).exit_code == 2


@pytest.mark.parametrize("command", [["list"], ["rotate", "--dry-run"], ["retire", "x"]])
@pytest.mark.clause("rfc7517-9.2-02")
def test_a_command_never_prints_what_a_key_is_made_of(site, command):
    printed = Console(site.app)("keys", *command).output
    for file in site.run.settings.keys_dir.glob("*.pem"):
        for line in file.read_text().splitlines():
            assert line not in printed


def test_a_rotation_is_scheduled_until_every_verifier_can_know_the_key(host):
    signing = kids(host.list(), "active").pop()
    waiting = next(row for row in host.list() if row["state"] == "next")
    start = waiting["created_at"] + 300 + 30
    when = datetime.fromtimestamp(start, UTC).isoformat(timespec="seconds")
    said, warned = host.rotate()
    assert said == f"key {waiting['kid']} will sign from {when}"
    assert warned == ""
    rows = host.list()
    assert kids(rows, "active") == {signing}
    assert next(row for row in rows if row["kid"] == waiting["kid"])["signs_from"] == start
    assert host.rotate() == (f"key {waiting['kid']} is scheduled to sign from {when}", "")
    said, warned = host.rotate("--now")
    assert re.fullmatch(rf"key {waiting['kid']} signs from [0-9T:+-]+", said)
    assert warned == EARLY
    assert kids(host.list(), "active") == {waiting["kid"]}
    assert kids(host.list(), "retiring") == {signing}


def test_of_four_rotations_at_the_same_moment_one_acts(host):
    """They begin together, however long the machine then keeps each from its work."""
    before = host.list()
    command = [PERENNIAL, "keys", "rotate", "--now"]
    where = {"cwd": host.perennial.directory, "env": host.perennial.env, "text": True}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **where)
        for _ in range(4)
    ]
    for process in started[2:]:
        process.send_signal(signal.SIGSTOP)
    said = [process.communicate(timeout=60)[0].strip() for process in started[:2]]
    for process in started[2:]:
        process.send_signal(signal.SIGCONT)
    said += [process.communicate(timeout=60)[0].strip() for process in started[2:]]
    assert [process.returncode for process in started] == [0] * 4
    after = host.list()
    (signing,) = kids(after, "active")
    assert len(after) == len(before) + 1, "exactly one new key"
    assert {signing} == kids(before, "next")
    assert kids(after, "retiring") == kids(before, "active")
    others = [line for line in said if line == f"another rotation acted first; key {signing} signs"]
    acted = [line for line in said if line.startswith(f"key {signing} signs from ")]
    assert (len(acted), len(others)) == (1, 3), json.dumps(said)


# --- giving a key up ------------------------------------------------------------------------------


def test_a_compromised_key_is_replaced_by_one_that_every_verifier_knows(perennial, any_site):
    any_site.clock.advance(seconds=330)
    before = perennial.json("keys", "list")
    bad, waiting = kids(before, "active").pop(), kids(before, "next").pop()
    said = perennial.done("keys", "compromise", bad).splitlines()
    assert said == [
        f"compromised: {bad}; key {waiting} signs",
        "introspection refuses its tokens within 5 seconds",
        "verifiers that cache as announced refuse them within 305 seconds",
    ]
    after = perennial.json("keys", "list")
    assert kids(after, "compromised") == {bad}
    assert kids(after, "active") == {waiting}
    assert len(kids(after, "next")) == 1
    assert (
        perennial.refused("keys", "compromise", bad) == f"signing key {bad} is compromised already"
    )


def test_a_compromise_that_would_leave_verifiers_without_a_key_they_know_says_so(
    perennial, any_site
):
    bad = kids(perennial.json("keys", "list"), "active").pop()
    when = datetime.fromtimestamp(any_site.clock() / 1000 + 330, UTC).isoformat(timespec="seconds")
    assert perennial.refused("keys", "compromise", bad) == (
        f"key {bad} signs and no other is known to every verifier before {when};"
        " --all gives up every key and makes new ones"
    )
    for file in any_site.run.settings.keys_dir.glob("*.pem"):
        if file.stem != bad:
            file.unlink()
    assert perennial.refused("keys", "compromise", bad) == (
        f"key {bad} signs and no other key waits; --all gives up every key and makes new ones"
    )
    assert kids(perennial.json("keys", "list"), "active") == {bad}


def test_every_key_can_be_given_up_and_sessions_ended_with_them(perennial, any_site):
    any_site.user()
    token = any_site.sign_in(any_site.client())["refresh_token"]
    before = {row["kid"] for row in perennial.json("keys", "list")}
    bad = kids(perennial.json("keys", "list"), "active").pop()
    result = perennial("keys", "compromise", "--all", "--end-sessions", "--", bad)
    assert result.exit_code == 0
    said = result.stdout.splitlines()
    assert said[0].startswith("compromised: ")
    assert before == set(said[0].removeprefix("compromised: ").partition(";")[0].split(" and "))
    assert said[-1] == "sessions ended: 1"
    assert "verifiers refuse every token until they have read the key set again" in result.stderr
    assert kids(perennial.json("keys", "list"), "compromised") == before
    assert token
    assert perennial.refused("keys", "compromise", "nobody") == "there is no signing key nobody"


def test_sealing_anew_needs_the_database_keystore(perennial):
    said = perennial.refused("keys", "reseal")
    assert said == "keys are sealed only with PERENNIAL_KEYSTORE=database"


def test_keys_are_sealed_anew(make_any_site, tmp_path):
    site = make_any_site(**keystore_settings("database", tmp_path))
    assert Console(site.app).done("keys", "reseal") == "keys sealed anew: 2\n"
    assert Console(site.app).done("keys", "reseal") == "keys sealed anew: 0\n"


def test_a_key_directory_that_does_not_exist_is_one_line(tmp_path, sqlite_template):
    server = LiveServer(
        tmp_path,
        database_url=sqlite_template.database_url,
        env={"PERENNIAL_KEYS_DIR": str(tmp_path / "nowhere")},
    )
    refused = server.cli("keys", "retire", "x")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
