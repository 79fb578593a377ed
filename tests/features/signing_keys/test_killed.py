"""Commands that are killed while they turn keys over: the server goes on, and so does the next one."""

import subprocess

import httpx
import jwt
import pytest

from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.live import PERENNIAL, LiveServer
from tests.scale import scaled
from tests.servers import wait_until

pytestmark = pytest.mark.proof

FIRST, LAST = 0.3, 1.5  # seconds after its start: what a command needs to begin, and to be done
KILLS = scaled(3, 60)
COMMANDS = [["rotate", "--now"], ["rotate"], ["compromise", "--all", "--", "{active}"]]


def published(server) -> set[str]:
    return {key["kid"] for key in httpx.get(f"{server.url}/.well-known/jwks.json").json()["keys"]}


def test_killed_at_any_moment_a_command_leaves_a_keystore_that_signs(tmp_path, database_url):
    with LiveServer(tmp_path, workers=2, database_url=database_url) as server:
        caller = Caller(enrol(server))
        for number in range(KILLS):
            token = caller.sign_in()["access_token"]
            kid = jwt.get_unverified_header(token)["kid"]
            command = [part.format(active=kid) for part in COMMANDS[number % len(COMMANDS)]]
            process = subprocess.Popen(
                [PERENNIAL, "keys", *command],
                cwd=server.directory,
                env=server.env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                process.wait(FIRST + (LAST - FIRST) * number / KILLS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            answer = caller.sign_in()
            kid = jwt.get_unverified_header(answer["access_token"])["kid"]
            wait_until(
                lambda kid=kid: kid in published(server), "the key it signed with is published"
            )
            assert caller.refresh(answer["refresh_token"]).status == 200
        done = server.cli("keys", "rotate", "--now")
        assert done.returncode == 0, done.stderr
        caller.close()
        server.stop()
        server.start()
        states = [line.split()[1] for line in server.cli("keys", "list").stdout.splitlines()[1:]]
        assert states.count("active") == 1
        assert "next" in states
