"""No room on any disk, for a while: database and log cannot be written, nothing is lost."""

import httpx

from tests.faults.outside import asked, asks_to_come_again, no_room, refreshed
from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.live import LiveServer

ATTEMPTS = 5


def test_a_full_disk_under_sqlite_and_the_log_delays_refreshes_and_sign_ins(tmp_path):
    with LiveServer(tmp_path) as server:
        account = enrol(server)
        caller = Caller(account)
        parent = caller.sign_in()["refresh_token"]
        token = caller.refresh(parent).body["refresh_token"]
        person = {"username": account.username, "password": account.password}
        with no_room(server.worker_pids()):
            for _ in range(ATTEMPTS):
                assert asks_to_come_again(refreshed(account, token))
                assert asks_to_come_again(asked(account, grant_type="password", **person))
                again = refreshed(account, parent)
                assert again.status_code == 200, "a repetition writes nothing"
                assert again.json()["refresh_token"] == token
                assert caller.is_active(token)
                assert httpx.get(f"{server.url}/healthz").status_code == 200
        after = caller.refresh(token)
        assert after.status == 200
        assert caller.refresh(token).body["refresh_token"] == after.body["refresh_token"]
        assert caller.sign_in()
        caller.close()
