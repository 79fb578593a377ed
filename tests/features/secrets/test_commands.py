"""`perennial secrets list` and `rotate`. What `rotate` does depends on when its process began."""

import json
import signal
import subprocess

import flask_migrate
import pytest
from sqlalchemy import text

from app import create_app, system_clock
from app.features.secrets import use_case
from app.services.runtime import runtime
from app.settings import Settings
from tests.console import Console
from tests.live import PERENNIAL, LiveServer

COLUMNS = [
    "id",
    "state",
    "created_at",
    "activated_at",
    "held",
    "derives",
    "sessions",
    "retirable",
]


class Host:
    """A machine with keys and the console script; no server runs."""

    def __init__(self, folder, database_url):
        env = {"PERENNIAL_LOG_FORMAT": "json"}
        self.perennial = LiveServer(folder, database_url=database_url, env=env)
        url, self.keys = self.perennial.env["PERENNIAL_DATABASE_URL"], folder / "keys"
        app = create_app(Settings(database_url=url, keys_dir=self.keys))
        self.run = runtime(app)
        with app.app_context():
            flask_migrate.upgrade()
        self.run.ceremony().establish(system_clock())
        self.console = Console(app)

    def states(self) -> dict[int, str]:
        return {row["id"]: row["state"] for row in self.console.json("secrets", "list")}

    def age(self):
        """As if what has happened had happened a minute ago."""
        with self.run.transactions.begin() as connection:
            for column in ("created_at", "activated_at"):
                connection.execute(text(f"UPDATE secret_ids SET {column} = {column} - 60000"))

    def rotate_together(self, count: int) -> list[dict[str, object]]:
        """So many calls at one moment; half of them are held up before they get to their work."""
        command = [PERENNIAL, "secrets", "rotate", "--json"]
        where = {"cwd": self.perennial.directory, "env": self.perennial.env, "text": True}
        started = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **where)
            for _ in range(count)
        ]
        late = started[count // 2 :]
        for process in late:
            process.send_signal(signal.SIGSTOP)
        said = [process.communicate(timeout=60) for process in started[: count // 2]]
        for process in late:
            process.send_signal(signal.SIGCONT)
        said += [process.communicate(timeout=60) for process in late]
        assert [process.returncode for process in started] == [0] * count, said
        return [json.loads(out) for out, _ in said]


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path, f"sqlite:///{tmp_path / 'perennial.db'}")
    yield made
    made.run.transactions.dispose()
    made.run.rotations.dispose()


@pytest.fixture
def perennial(site):
    return Console(site.app)


def rotate(site):
    site.clock.advance(seconds=60)
    return use_case.rotate(site.run, site.clock(), site.clock.advance)


def test_secrets_are_listed_with_their_states_here_and_there(perennial, site):
    site.user()
    client = site.client()
    started = site.clock() // 1000
    for _ in range(2):
        site.sign_in(client)
    rotate(site)
    made, *_ = site.clock() // 1000, rotate(site), rotate(site)
    site.sign_in(client)
    (site.run.settings.keys_dir / "refresh-2.secret").unlink()
    rows = perennial.json("secrets", "list")
    assert [list(row) for row in rows] == [COLUMNS] * 3
    assert [tuple(row.values()) for row in rows] == [
        (1, "known", started, started, True, True, 2, False),
        (2, "active", made, made + 60, False, False, 1, False),
        (3, "known", made + 120, None, True, False, 0, True),
    ]
    printed = perennial.done("secrets", "list").splitlines()
    assert printed[0].split() == COLUMNS
    assert printed[3].split() == ["3", "known", str(made + 120), "yes", "no", "0", "yes"]


def test_a_retired_secret_is_listed_for_ever(perennial, site):
    rotate(site)
    use_case.retire(site.run, 2, site.clock.advance, force=False)
    row = perennial.json("secrets", "list")[1]
    assert (row["state"], row["held"], row["derives"], row["retirable"]) == (
        "retired",
        True,
        False,
        False,
    )


def test_a_file_that_is_not_as_it_should_be_is_not_held_and_the_reason_is_said(perennial, site):
    rotate(site)
    (site.run.settings.keys_dir / "refresh-2.secret").chmod(0o644)
    listed = perennial("secrets", "list", "--json")
    assert json.loads(listed.stdout)[1]["held"] is False
    warning = "warning: refresh-2.secret: mode 0644 lets others in, expected 0600"
    assert listed.stderr.splitlines() == [warning]


def test_without_any_secret_the_list_is_empty(database_url, tmp_path):
    app = create_app(Settings(database_url=database_url, keys_dir=tmp_path / "none"))
    with app.app_context():
        flask_migrate.upgrade()
    assert Console(app).json("secrets", "list") == []
    runtime(app).transactions.dispose()
    runtime(app).rotations.dispose()


def test_of_four_rotations_at_the_same_moment_one_acts_in_each_step(host):
    """Never two steps in one go, however long the machine keeps each from its work."""
    for number, (state, states) in enumerate(
        [("known", {1: "active", 2: "known"}), ("active", {1: "known", 2: "active"})]
    ):
        said = host.rotate_together(4)
        assert sorted(answer.pop("acted") for answer in said) == [False] * 3 + [True], number
        answer = {"id": 2, "state": state, "file": "refresh-2.secret"}
        assert said == [answer] * 4
        assert host.states() == states
        assert sorted(path.name for path in host.keys.glob("*.secret")) == [
            "refresh-1.secret",
            "refresh-2.secret",
        ]
        host.age()


@pytest.mark.parametrize("options", [["list"], ["list", "--json"], ["retire", "1"]])
def test_a_command_never_prints_what_a_secret_is(perennial, site, options):
    said = perennial("secrets", *options).output
    for secret in site.run.keystore.directory.secrets().values():
        assert secret.hex() not in said
        assert repr(secret)[2:-1] not in said
