"""`perennial serve` as processes: it starts, several start at once, and keys turn over under it."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import jwt

from tests.live import PERENNIAL, LiveServer
from tests.servers import wait_until

JSON = {"PERENNIAL_LOG_FORMAT": "json"}


def register(server, *options) -> tuple[str, str]:
    """A client's id and secret, registered by command."""
    done = server.cli("client", "create", "--name", "App", *options, "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return made["client_id"], made["client_secret"]


def token(server, client) -> str:
    form = {"grant_type": "client_credentials"}
    answer = httpx.post(f"{server.url}/oauth/token", data=form, auth=client)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def kid(access_token) -> str:
    return jwt.get_unverified_header(access_token)["kid"]


def published(server) -> dict[str, dict[str, str]]:
    answer = httpx.get(f"{server.url}/.well-known/jwks.json")
    return {jwk["kid"]: jwk for jwk in answer.json()["keys"]}


def test_several_that_start_at_the_same_moment_agree_on_one_database_and_one_set_of_keys(
    tmp_path, database_url
):
    """Two servers that migrate and two migrations, on an empty database and no keys."""
    servers = [LiveServer(tmp_path, database_url=database_url, env=JSON) for _ in range(2)]
    where = {"cwd": tmp_path, "env": servers[0].env, "text": True}
    with ExitStack() as running, ThreadPoolExecutor() as pool:
        starts = [pool.submit(server.start) for server in servers]
        upgrades = [
            subprocess.Popen(
                [PERENNIAL, "db", "upgrade"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **where,
            )
            for _ in range(2)
        ]
        said = [process.communicate(timeout=60) for process in upgrades]
        for start in starts:
            running.push(start.result())
        assert said == [("database is at 0002\n", "")] * 2
        assert [process.returncode for process in upgrades] == [0, 0]
        assert len(published(servers[0])) == 2
        assert published(servers[0]) == published(servers[1])
        assert len(list((tmp_path / "keys").glob("*.pem"))) == 2
        client = register(servers[0], "--grant", "client_credentials")
        assert kid(token(servers[0], client)) == kid(token(servers[1], client))


def test_a_server_is_born_stopped_started_again_and_remembers(tmp_path):
    server = LiveServer(tmp_path, env=JSON)
    with server:
        keys = published(server)
        client = register(server, "--grant", "client_credentials")
        access_token = token(server, client)
        assert server.stop() == 0
    again = LiveServer(tmp_path, env=JSON, migrate=False)
    with again:
        assert published(again) == keys
        token(again, client)
        lines = [json.loads(line) for line in again.log_text().splitlines()]
    assert all({"at", "event", "level"} <= set(line) for line in lines)
    events = [line["event"] for line in lines]
    assert events.count("key_created") == 2
    assert "gunicorn.error" in events, "lines of libraries have the same form"
    for secret in (client[1], access_token):
        assert secret not in again.log_text()


def test_running_servers_notice_a_rotation_within_five_seconds(tmp_path):
    with LiveServer(tmp_path, workers=2, env=JSON) as server:
        client = register(server, "--grant", "client_credentials")
        before = token(server, client)
        keys = published(server)
        rotated = server.cli("keys", "rotate", "--now")
        assert rotated.returncode == 0, rotated.stderr
        (promoted,) = set(keys) - {kid(before)}
        assert promoted in rotated.stdout
        streak = 0

        def noticed():
            nonlocal streak
            streak = streak + 1 if kid(token(server, client)) == promoted else 0
            return streak >= 20

        wait_until(noticed, "every worker signs with the promoted key", seconds=5)
        now = published(server)
        assert set(keys) < set(now), "tokens from before still verify"
        key = jwt.PyJWK(now[kid(before)])
        options = {"verify_aud": False}
        assert jwt.decode(before, key, algorithms=["RS256"], options=options)["iss"] == server.url
        assert '"status": 5' not in server.log_text()


def test_a_server_ignores_python_files_that_lie_where_it_is_started(tmp_path):
    """The operator's folder may well hold a `wsgi.py` or an `app` of another project."""
    (tmp_path / "wsgi.py").write_text("raise SystemExit('the wrong application')\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    with LiveServer(tmp_path) as server:
        assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
