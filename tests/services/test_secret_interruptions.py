"""Whatever interrupts a roll-out of a derivation secret, hosts start and sessions go on."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event, text, update

from app.core.derivation import SecretState
from app.core.events import DerivationSecretCreated
from app.core.refresh_token import parse
from app.services.keystore import UnavailableError
from app.store.derivation_secrets import SecretIdRow
from tests.services.rollout import ceremony, establish, files, rotate, states


class Killed(BaseException):
    """What the kernel does to a process, at a chosen statement."""


@pytest.mark.parametrize(
    ("step", "statement"),
    [
        *((1, at) for at in ("INSERT INTO secret_ids", "INSERT INTO audit", "COMMIT")),
        *((2, at) for at in ("UPDATE secret_ids", "INSERT INTO audit", "COMMIT")),
    ],
)
def test_a_rotation_that_is_killed_anywhere_is_completed_by_the_next(any_site, step, statement):
    """Sessions of before go on, a start makes nothing of its own, and the roll-out ends as ever."""
    host = any_site
    host.user()
    client = host.client()
    token = host.sign_in(client)["refresh_token"]
    for _ in range(step - 1):
        rotate(host)
    with killed_at(host, statement):
        rotate(host)
    assert states(host)[1] == "active"
    establish(host)
    answer = host.refresh(client, token)
    assert answer.status_code == 200
    turns = [rotate(host)]
    if turns[0].state is SecretState.KNOWN:
        turns.append(rotate(host))
    assert turns[-1].secret_id == 2
    assert (states(host), files(host)) == (
        {1: "known", 2: "active"},
        ["refresh-1.secret", "refresh-2.secret"],
    )
    answer = host.refresh(client, answer.json["refresh_token"])
    assert parse(answer.json["refresh_token"]).secret_id == 2


@contextmanager
def killed_at(site, statement):
    """A process that is killed at its first such statement; it commits nothing."""

    def strike(connection, cursor=None, sql="COMMIT", *_):
        if sql.startswith(statement):
            raise Killed

    engine = site.run.transactions
    point = "commit" if statement == "COMMIT" else "before_cursor_execute"
    event.listen(engine, point, strike)
    with pytest.raises(Killed):
        yield
    event.remove(engine, point, strike)
    engine.dispose()


def test_a_file_that_a_killed_rotation_left_is_taken_up_and_not_replaced(host):
    host.run.keystore.directory.new_secret(2)
    left = host.run.keystore.directory.secrets()[2]
    assert rotate(host).secret_id == 2
    assert host.run.keystore.directory.secrets()[2] == left
    assert rotate(host).state is SecretState.ACTIVE


def test_a_start_takes_up_what_a_restored_database_has_forgotten(host):
    """Tokens of the newer secret are in people's hands; they heal instead of being refused."""
    host.user()
    client = host.client()
    token = host.sign_in(client)["refresh_token"]
    with host.run.rotations.connect() as connection:
        backup = connection.execute(text("SELECT sid, gen, secret_id FROM sessions")).one()
    rotate(host)
    rotate(host)
    newer = host.refresh(client, token).json["refresh_token"]
    assert parse(newer).secret_id == 2
    with host.run.transactions.begin() as connection:
        connection.execute(text("DELETE FROM secret_ids WHERE id = 2"))
        connection.execute(update(SecretIdRow).values(state="active"))
        connection.execute(text("UPDATE sessions SET gen = 1, secret_id = 1"))
    assert backup.gen == 1
    host.run.keystore.forget()
    assert host.refresh(client, newer).status_code == 503, "asked to come again, not refused"
    assert establish(host) == (DerivationSecretCreated(2),)
    host.run.keystore.forget()
    healed = host.refresh(client, newer)
    assert healed.status_code == 200
    assert parse(healed.json["refresh_token"]).generation == 3


def test_a_file_of_another_installation_is_not_taken_up_over_the_right_one(two_hosts):
    """Both directories have a file without a row; the first start gives the id away."""
    host, other_host = two_hosts
    for site in (host, other_host):
        site.run.keystore.directory.new_secret(2)
        establish(site)
    assert states(host) == {1: "active", 2: "known"}
    fits = [
        ceremony(host).known()[1].fits(site.run.keystore.directory.secrets()[2])
        for site in (host, other_host)
    ]
    assert fits == [True, False]
    assert 2 not in other_host.run.ring().secrets


# --- a host that the roll-out has not reached -----------------------------------------------------


def test_a_host_without_the_active_secret_starts_and_derives_with_the_one_before(two_hosts):
    host, other_host = two_hosts
    rotate(host)
    rotate(host)
    assert establish(other_host) == ()
    assert other_host.run.ring().active == 1
    assert host.run.ring().active == 2


def test_a_host_that_can_derive_nothing_does_not_start(two_hosts):
    host, other_host = two_hosts
    rotate(host)
    rotate(host)
    (other_host.run.settings.keys_dir / "refresh-1.secret").unlink()
    with pytest.raises(UnavailableError, match="derivation secret 2 is in use but not in the key"):
        establish(other_host)
