"""Liveness says that the process answers, readiness that it can do its work."""

import pytest

from app import system_clock
from tests.protocol.expect import ENDPOINTS, UNREACHABLE
from tests.site import Site

READY = {
    "status": "ok",
    "database": "ok",
    "clock": "ok",
    "migrations": "ok",
    "signing_key": "ok",
    "issuer": "ok",
}


def on(url, keys, **settings) -> Site:
    """A site whose clock stands at the time of this machine, as its database's does."""
    site = Site(url, keys, **settings)
    site.clock.now = system_clock()
    return site


@pytest.fixture
def ready(database_url, tmp_path):
    site = on(database_url, tmp_path / "keys")
    site.prepare()
    yield site
    site.close()


def failed(site) -> set[str]:
    answer = site.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json.pop("status") == "failed"
    return {name for name, result in answer.json.items() if result == "failed"} - {"status"}


def test_a_prepared_server_is_ready(ready):
    answer = ready.http.get("/readyz")
    assert (answer.status_code, answer.json) == (200, READY)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "application/json"


@pytest.mark.parametrize("apart", [2.5, -2.5, 86_400])
def test_a_clock_apart_from_the_databases_is_not_ready(ready, apart):
    ready.clock.now = system_clock()
    ready.clock.advance(seconds=apart)
    assert "clock" in failed(ready)


def test_an_empty_database_is_not_ready(database_url, tmp_path):
    site = on(database_url, tmp_path / "keys")
    assert failed(site) == {"migrations", "signing_key"}
    site.close()


def test_lost_keys_are_not_ready(database_url, tmp_path):
    site = on(database_url, tmp_path / "keys")
    site.prepare()
    for file in (tmp_path / "keys").glob("*.pem"):
        file.unlink()
    assert failed(site) == {"signing_key"}
    site.close()


@pytest.mark.parametrize("url", UNREACHABLE)
def test_without_a_database_the_process_lives_and_is_not_ready(tmp_path, url):
    site = on(url.format(directory=tmp_path), tmp_path / "keys")
    assert site.http.get("/healthz").json == {"status": "ok"}
    assert failed(site) == {"database", "signing_key"}
    site.close()


def test_without_an_issuer_it_is_not_ready(database_url, tmp_path):
    site = on(database_url, tmp_path / "keys", issuer=None)
    site.prepare()
    assert failed(site) == {"issuer"}
    for path in (*ENDPOINTS, "/.well-known/oauth-authorization-server"):
        answer = site.post(path, {"client_id": "x"}) if path in ENDPOINTS else site.http.get(path)
        assert answer.status_code in {400, 401, 503}
    site.close()


def test_the_wire_learns_which_check_failed_and_not_why(tmp_path):
    url = "postgresql+psycopg://somebody:secret@127.0.0.1:1/none"
    site = on(url, tmp_path / "keys")
    body = site.http.get("/readyz").text
    for inner in ("somebody", "secret", "127.0.0.1", "none", "psycopg"):
        assert inner not in body
    site.close()


def test_liveness_asks_nobody(site):
    answer = site.http.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"
