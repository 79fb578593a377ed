"""A reuse reaches the operator's webhook: signed, tried again, given up in the end."""

import base64
import json

import pytest
from sqlalchemy import text

from app.core import alerts
from app.core.alerts import PAUSES, Alert
from app.features.alerts.jobs import DELIVER
from app.services.jobs import Worker
from tests.console import Console
from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.live import LiveServer
from tests.receiver import receiving
from tests.servers import free_port, wait_until

SECRET = b"s" * 32
OWNER, THIEF = ("192.0.2.7", "Phone/7"), ("198.51.100.9", "curl/8")


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def secret_file(tmp_path):
    file = tmp_path / "webhook.secret"
    file.write_text(f"whsec_{base64.b64encode(SECRET).decode()}\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def told(make_any_site, receiver, secret_file):
    site = make_any_site(webhook_url=receiver.url, webhook_secret_file=secret_file)
    site.user()
    return site


def steal(site):
    """A reuse; the session's public id."""
    client = site.client()
    first = site.sign_in(client)["refresh_token"]
    second = site.refresh(client, first, device=OWNER).json["refresh_token"]
    site.refresh(client, second, device=OWNER)
    assert site.refresh(client, first, device=THIEF).json["reason"] == "session_reused"
    return Console(site.app).json("session", "list")[0]["id"]


def deliver(site):
    DELIVER.work(site.run)


def waiting(site):
    with site.run.rotations.connect() as connection:
        return connection.execute(text("SELECT attempts, due_at FROM alerts")).all()


def test_a_reuse_is_told_with_its_dossier_and_a_signature_that_verifies(told, receiver):
    session = steal(told)
    deliver(told)
    (taken,) = receiver.taken
    said = json.loads(taken.body)
    assert (said["type"], said["timestamp"]) == ("session.reuse_detected", "2027-01-15T08:00:00Z")
    data = said["data"]
    assert (data["session"], data["issuer"]) == (session, "https://id.example.com")
    sides = data["reuse"]
    assert [sides[side]["ip"] for side in ("rotated", "replayed")] == [OWNER[0], THIEF[0]]
    sent = Alert(taken.headers["webhook-id"], taken.body)
    signed = alerts.headers(sent, SECRET, int(taken.headers["webhook-timestamp"]) * 1000)
    assert signed.items() <= taken.headers.items()
    assert waiting(told) == []


def test_nothing_that_is_sent_is_a_credential(told, receiver):
    steal(told)
    deliver(told)
    assert "prn_rt_" not in receiver.taken[0].body
    with told.run.rotations.connect() as connection:
        (sid,) = connection.execute(text("SELECT sid FROM sessions")).one()
    assert bytes(sid).hex() not in receiver.taken[0].body


def test_without_a_webhook_nothing_is_queued(make_any_site):
    site = make_any_site()
    site.user()
    steal(site)
    assert waiting(site) == []
    assert not DELIVER.wanted(site.run)


def test_a_second_replay_is_no_second_alert(told, receiver):
    client = told.client()
    first = told.sign_in(client)["refresh_token"]
    told.refresh(client, told.refresh(client, first).json["refresh_token"])
    for _ in range(3):
        assert told.refresh(client, first).status_code == 400
    deliver(told)
    assert len(receiver.taken) == 1


@pytest.mark.parametrize("status", [300, 302, 400, 410, 500, 503])
def test_what_is_not_taken_is_tried_again_with_the_same_id(told, receiver, status, capsys):
    receiver.statuses = [status, 204]
    receiver.location = receiver.url + "/elsewhere"
    steal(told)
    deliver(told)
    assert f"status {status}" in capsys.readouterr().err
    deliver(told)
    assert len(receiver.taken) == 1, "not before its time"
    told.clock.advance(seconds=PAUSES[0] / 1000)
    deliver(told)
    assert [taken.path for taken in receiver.taken] == ["/hook", "/hook"]
    assert len({taken.headers["webhook-id"] for taken in receiver.taken}) == 1
    assert waiting(told) == []


def test_an_endpoint_that_is_never_there_is_given_up_after_two_days(
    make_any_site, secret_file, capsys
):
    url = f"http://127.0.0.1:{free_port()}/"
    site = make_any_site(webhook_url=url, webhook_secret_file=secret_file)
    site.user()
    steal(site)
    tries = 0
    while waiting(site):
        tries += 1
        deliver(site)
        for _, due_at in waiting(site):
            site.clock.now = due_at
    assert tries == len(PAUSES) + 1
    assert "alert_abandoned" in capsys.readouterr().err


def test_a_reuse_that_could_not_be_told_is_not_half_recorded(told):
    """The end of the session, its audit and its alert are one transaction."""
    client = told.client()
    first = told.sign_in(client)["refresh_token"]
    told.refresh(client, told.refresh(client, first).json["refresh_token"])
    with told.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE alerts RENAME TO elsewhere"))
    assert told.refresh(client, first).status_code >= 500
    with told.run.transactions.begin() as connection:
        assert connection.execute(text("SELECT revoked_at FROM sessions")).scalar_one() is None
        connection.execute(text("ALTER TABLE elsewhere RENAME TO alerts"))
    assert told.refresh(client, first).json["reason"] == "session_reused"
    assert len(waiting(told)) == 1


def test_one_round_of_background_work_delivers(told, receiver):
    steal(told)
    assert Worker(told.run, [DELIVER]).round()
    assert len(receiver.taken) == 1


def test_a_running_server_tells_by_itself_and_once(tmp_path, receiver, secret_file):
    env = {
        "PERENNIAL_WEBHOOK_URL": receiver.url,
        "PERENNIAL_WEBHOOK_SECRET_FILE": str(secret_file),
        "PERENNIAL_REUSE_GRACE": "0",
    }
    with LiveServer(tmp_path, workers=3, env=env) as server:
        caller = Caller(enrol(server))
        first = caller.sign_in()["refresh_token"]
        assert caller.refresh(first).status == 200
        assert caller.refresh(first).body["reason"] == "session_reused"
        caller.close()
        wait_until(lambda: receiver.taken, "the alert")
        assert server.cli("jobs", "run", "--once").stdout == (
            "another process does the background work\n"
        )
        assert server.stop() == 0
        assert server.cli("jobs", "run", "--once").returncode == 0
    assert len(receiver.taken) == 1
    assert server.log_text().count("alert_delivered") == 1
