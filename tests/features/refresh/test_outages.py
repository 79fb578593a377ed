"""When something the server needs is away: never `invalid_grant`, nothing consumed, try again."""

import sqlite3

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from app.services.keystore import UnavailableError
from tests.site import PASSWORD


@pytest.fixture
def signed_in(any_site):
    any_site.user()
    client = any_site.client()
    return any_site, client, any_site.sign_in(client)["refresh_token"]


def asks_to_come_again(answer):
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["error"] == "temporarily_unavailable"
    assert answer.headers["Cache-Control"] == "no-store"


def generation(site) -> int:
    with site.run.rotations.connect() as connection:
        return connection.execute(text("SELECT gen FROM sessions")).scalar_one()


def lose(engine, marker: str, moment: str):
    """Make the first statement with this word fail, before or after it was carried out."""
    lost = []

    @event.listens_for(engine, moment)
    def fail(connection, cursor, statement, *_):
        if not lost and statement.startswith(marker):
            lost.append(statement)
            raise OperationalError(statement, {}, Exception("connection lost"))

    return lambda: event.remove(engine, moment, fail)


@pytest.mark.parametrize("moment", ["before_cursor_execute", "after_cursor_execute"])
@pytest.mark.parametrize("statement", ["SELECT", "UPDATE"])
def test_a_connection_lost_around_any_statement_is_healed_by_the_same_token(
    signed_in, statement, moment
):
    site, client, token = signed_in
    site.refresh(client, token)
    token = site.sign_in(client)["refresh_token"]
    restore = lose(site.run.rotations, statement, moment)
    asks_to_come_again(site.refresh(client, token))
    restore()
    first = site.refresh(client, token)
    assert first.status_code == 200
    assert site.refresh(client, token).json["refresh_token"] == first.json["refresh_token"]


def test_an_answer_lost_after_the_commit_is_given_again_a_week_later_to_the_same_key(signed_in):
    site, client, token = signed_in
    restore = lose(site.run.rotations, "UPDATE", "after_cursor_execute")
    asks_to_come_again(site.refresh(client, token, key="written-down-before-sending"))
    restore()
    assert generation(site) == 2
    site.clock.advance(seconds=7 * 86_400)
    answer = site.refresh(client, token, key="written-down-before-sending")
    assert answer.status_code == 200
    assert generation(site) == 2


def test_without_a_signing_key_nothing_is_swapped(signed_in):
    site, client, token = signed_in
    keys = site.run.keystore.directory.path
    hidden = [(file, file.rename(file.with_suffix(".away"))) for file in keys.glob("*.pem")]
    site.run.keystore.forget()
    asks_to_come_again(site.refresh(client, token))
    asks_to_come_again(
        site.token(client, grant_type="password", username="alice", password=PASSWORD)
    )
    assert generation(site) == 1
    for file, away in hidden:
        away.rename(file)
    site.run.keystore.forget()
    assert site.refresh(client, token).status_code == 200


def test_a_key_file_that_others_may_read_is_not_used(signed_in):
    site, client, token = signed_in
    for file in site.run.keystore.directory.path.glob("*.pem"):
        file.chmod(0o640)
    site.run.keystore.forget()
    asks_to_come_again(site.refresh(client, token))


def test_a_locked_sqlite_file_delays_and_loses_nothing(site):
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    with site.run.rotations.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=20")
    other = sqlite3.connect(site.run.rotations.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asks_to_come_again(site.refresh(client, token))
    other.execute("ROLLBACK")
    other.close()
    assert site.refresh(client, token).status_code == 200


def test_a_full_disk_refuses_sign_ins_and_loses_nothing(site):
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    with site.run.transactions.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    wish = {
        "grant_type": "password",
        "username": "alice",
        "password": "correct horse battery staple",
    }
    answers = [site.token(client, **wish) for _ in range(20)]
    full = [answer for answer in answers if answer.status_code != 200]
    assert full
    for answer in full:
        asks_to_come_again(answer)
    assert site.refresh(client, token).status_code == 200


def test_connections_cut_by_postgresql_are_made_again(make_postgresql_site):
    site = make_postgresql_site()
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    with site.run.transactions.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    asks_to_come_again(site.refresh(client, token))
    assert site.refresh(client, token).status_code == 200


def test_a_secret_of_another_installation_signs_nobody_out(signed_in):
    """The file has the right name and the wrong bytes: a wrong backup (R1c, not R1)."""
    site, client, token = signed_in
    file = site.run.keystore.directory.path / "refresh-1.secret"
    right = file.read_bytes()
    file.write_bytes(b"another installation's secret..."[:32])
    site.run.keystore.forget()
    asks_to_come_again(site.refresh(client, token))
    with pytest.raises(UnavailableError, match="restore it"):
        site.run.ceremony().establish(site.clock())
    file.write_bytes(right)
    site.run.keystore.forget()
    assert site.refresh(client, token).status_code == 200


def test_a_standby_that_cannot_be_written_asks_to_come_again(make_postgresql_site):
    site = make_postgresql_site()
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    read_only(site, "on")
    asks_to_come_again(site.refresh(client, token))
    asks_to_come_again(
        site.token(client, grant_type="password", username="alice", password=PASSWORD)
    )
    assert site.http.get("/readyz").json["database"] == "failed"
    read_only(site, "off")
    assert site.refresh(client, token).status_code == 200


def read_only(site, setting: str) -> None:
    """What a connection to a standby, or to a primary that was demoted, meets."""
    name = site.run.transactions.url.database
    with site.run.transactions.begin() as connection:
        connection.execute(text("SET TRANSACTION READ WRITE"))
        connection.execute(
            text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}')
        )
    site.run.rotations.dispose()
    site.run.transactions.dispose()
