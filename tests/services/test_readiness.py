"""`/readyz` and the start agree on what a host needs; the wire learns which check failed only."""

import pytest
from sqlalchemy import text

from app.services.readiness import checks
from app.store.base import database_now
from tests.site import Site

NAMES = ["database", "clock", "migrations", "signing_key", "issuer"]


@pytest.fixture
def ready(make_any_site):
    """A host whose clock says what the database's says; `skew` is in milliseconds."""

    def make(skew=0, **settings):
        site = make_any_site(**settings)
        with site.run.rotations.connect() as connection:
            database = database_now(connection)
        site.clock.now = database + skew
        with site.run.transactions.begin() as connection:
            connection.execute(text("UPDATE signing_keys SET signs_from = 0 WHERE signs_from > 0"))
        return site

    return make


def failed(site) -> dict[str, str]:
    return {check.name: check.why for check in checks(site.run) if not check.ok}


def test_a_host_that_has_everything_is_ready(ready):
    site = ready()
    assert [check.name for check in checks(site.run)] == NAMES
    assert failed(site) == {}
    answer = site.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", **dict.fromkeys(NAMES, "ok")}


@pytest.mark.parametrize("skew", [-2_500, 3_500])
def test_a_clock_two_seconds_off_the_databases_is_refused(ready, skew):
    why = failed(ready(skew))
    assert set(why) == {"clock"}
    assert why["clock"].endswith(" ms apart from the database host")


@pytest.mark.parametrize("skew", [-1_000, 1_000])
def test_less_is_tolerated(ready, skew):
    assert failed(ready(skew)) == {}


def test_a_schema_of_another_version_is_refused_with_what_to_do(ready):
    site = ready()
    with site.run.transactions.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert failed(site) == {"migrations": "run `perennial db upgrade`"}


def test_a_host_without_the_private_key_is_not_ready(ready):
    site = ready()
    for file in site.run.settings.keys_dir.glob("*.pem"):
        file.unlink()
    assert "missing from the keystore" in failed(site)["signing_key"]


def test_a_host_without_the_derivation_secret_is_not_ready(ready):
    site = ready()
    for file in site.run.settings.keys_dir.glob("*.secret"):
        file.unlink()
    assert set(failed(site)) == {"signing_key"}


def test_a_host_that_does_not_know_its_issuer_is_not_ready(ready):
    assert failed(ready(issuer=None)) == {"issuer": "PERENNIAL_ISSUER is not set"}


def test_the_wire_learns_which_check_failed_and_the_log_why(ready, capsys):
    site = ready(skew=60_000)
    answer = site.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["clock"] == "failed"
    assert answer.json["database"] == "ok"
    assert "apart" not in answer.text
    assert "apart from the database host" in capsys.readouterr().err
    assert answer.headers["Cache-Control"] == "no-store"
    assert site.http.get("/healthz").status_code == 200, "it lives, it is only not ready"


def test_an_unreachable_database_is_said_without_its_password(tmp_path, capsys):
    url = "postgresql+psycopg://perennial:hunter2hunter2@127.0.0.1:1/perennial"
    site = Site(url, tmp_path / "keys")
    why = failed(site)
    assert set(why) == {"database", "signing_key"}
    answer = site.http.get("/readyz")
    assert answer.status_code == 503
    assert "hunter2" not in str(why) + answer.text + capsys.readouterr().err
    site.close()


def test_an_empty_database_is_not_ready_and_no_crash(database_url, tmp_path):
    site = Site(database_url, tmp_path / "keys")
    assert {"migrations", "signing_key"} <= set(failed(site))
    assert site.http.get("/readyz").status_code == 503
    site.close()
