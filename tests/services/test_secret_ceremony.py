"""Making and activating derivation secrets, step by step."""

import pytest
from sqlalchemy import event, insert, select, text, update

from app.core.derivation import SETTLED, SecretState
from app.core.events import DerivationSecretActivated, DerivationSecretCreated
from app.core.outcomes import Rejected
from app.core.refresh_token import check_value
from app.services.key_directory import KeyDirectoryError
from app.services.keystore import UnavailableError
from app.services.secret_ceremony import CHANGED, Turn
from app.store import derivation_secrets
from app.store.derivation_secrets import SecretIdRow
from tests.services.rollout import bring, ceremony, establish, files, rotate, states

# --- the first start ------------------------------------------------------------------------------


def test_a_lost_secret_is_refused_because_a_new_one_would_hide_that_it_is_lost(empty):
    establish(empty)
    (empty.run.settings.keys_dir / "refresh-1.secret").unlink()
    with pytest.raises(UnavailableError, match=r"^derivation secret 1 is in use .* restore it$"):
        establish(empty)
    assert list(states(empty)) == [1]
    assert "refresh-2.secret" not in files(empty)


def test_ids_of_secrets_are_never_used_again(empty):
    establish(empty)
    with empty.run.transactions.begin() as connection:
        connection.execute(update(SecretIdRow).values(state="retired"))
        connection.execute(insert(SecretIdRow).values(id=41, state="retired", created_at=1))
    (empty.run.settings.keys_dir / "refresh-1.secret").unlink()
    establish(empty)
    assert list(states(empty)) == [1, 41, 42]
    assert "refresh-42.secret" in files(empty)
    empty.run.keystore.forget()
    assert empty.run.ring().active == 42


def test_when_every_id_was_used_the_start_says_so(empty):
    with empty.run.transactions.begin() as connection:
        connection.execute(insert(SecretIdRow).values(id=255, state="retired", created_at=1))
    with pytest.raises(UnavailableError, match="every derivation secret id has been used"):
        establish(empty)


def test_of_files_that_no_database_knows_the_newest_becomes_active(empty):
    """A database that was made anew: the sessions are gone, the secrets are as good as others."""
    directory = empty.run.keystore.directory
    directory.prepare()
    for secret_id in (1, 3):
        directory.new_secret(secret_id)
    establish(empty)
    assert states(empty) == {1: "known", 3: "active"}
    assert empty.run.ring().active == 3


def test_a_file_whose_id_fits_into_no_token_is_left_alone(empty):
    directory = empty.run.keystore.directory
    directory.prepare()
    directory.new_secret(256)
    establish(empty)
    assert states(empty) == {1: "active"}
    assert rotate(empty).secret_id == 2


# --- the steps ------------------------------------------------------------------------------------


def test_a_secret_is_made_then_activated_then_the_next_is_made(any_site):
    host = any_site
    made = rotate(host)
    assert made == Turn(2, SecretState.KNOWN, (DerivationSecretCreated(2),))
    assert states(host) == {1: "active", 2: "known"}
    assert host.run.ring().active == 1, "nothing is derived with what may not be everywhere"
    made_at = host.clock()
    activated = rotate(host)
    assert activated == Turn(2, SecretState.ACTIVE, (DerivationSecretActivated(2),))
    assert states(host) == {1: "known", 2: "active"}
    assert host.run.ring().active == 2
    assert rotate(host).secret_id == 3
    first, second, _ = ceremony(host).known()
    assert (second.created_at, second.activated_at) == (made_at, made_at + 60_000)
    assert first.activated_at is not None
    assert first.activated_at < second.activated_at


def test_the_database_learns_the_id_and_a_check_value_and_nothing_else(host):
    rotate(host)
    secret = host.run.keystore.directory.secrets()[2]
    (entry,) = [entry for entry in ceremony(host).known() if entry.id == 2]
    assert entry.check_value == check_value(secret)
    with host.run.rotations.connect() as connection:
        (row,) = connection.execute(select(SecretIdRow).where(SecretIdRow.id == 2)).mappings()
    assert secret not in [*map(bytes, filter(lambda v: isinstance(v, bytes), row.values()))]


def test_each_step_is_in_the_audit(host):
    rotate(host)
    rotate(host)
    with host.run.rotations.connect() as connection:
        rows = connection.execute(text("SELECT event, detail FROM audit ORDER BY id")).all()
    secrets = [tuple(row) for row in rows if row.event.startswith("derivation_secret")]
    assert secrets == [
        (name, str(secret_id))
        for secret_id in (1, 2)
        for name in ("derivation_secret_created", "derivation_secret_activated")
    ]


def test_of_calls_that_overlap_only_the_first_acts(host):
    host.clock.advance(seconds=60)
    called_at = host.clock()
    host.clock.advance(seconds=1)
    assert rotate(host, called_at=called_at).events
    for began in (called_at, called_at + 1000, called_at - 5000):
        host.clock.advance(seconds=10)
        assert rotate(host, called_at=began) == Turn(2, SecretState.KNOWN)
    assert rotate(host).state is SecretState.ACTIVE, "a later call acts again"
    assert rotate(host, called_at=host.clock()) == Turn(2, SecretState.ACTIVE)
    assert states(host) == {1: "known", 2: "active"}


def test_a_secret_dated_by_a_clock_that_was_wrong_does_not_stop_rotation_for_years(host):
    rotate(host)
    ahead = host.clock() + 10**9
    with host.run.transactions.begin() as connection:
        connection.execute(update(SecretIdRow).where(SecretIdRow.id == 2).values(created_at=ahead))
    before = host.clock()
    assert rotate(host).state is SecretState.ACTIVE
    assert host.clock() - before == 60_000 + SETTLED, "nor does it wait for longer than it must"


def test_a_secret_is_not_activated_before_every_running_server_knows_it(host):
    """Or a worker that has not looked yet would meet a token that it cannot verify."""
    made = rotate(host)
    host.clock.advance(seconds=1)
    assert rotate(host, called_at=host.clock()).state is SecretState.ACTIVE
    entry = next(entry for entry in ceremony(host).known() if entry.id == made.secret_id)
    assert entry.activated_at - entry.created_at == SETTLED


def test_a_host_that_does_not_hold_the_new_secret_does_not_activate_it(two_hosts):
    host, other_host = two_hosts
    rotate(host)
    other_host.clock.now = host.clock()
    for _ in range(2):
        why = rotate(other_host)
        assert isinstance(why, Rejected)
        assert why.why.startswith("derivation secret 2 is known but refresh-2.secret is not in")
        assert "`perennial secrets retire 2`" in why.why
        other_host.run.keystore.directory.path.joinpath("refresh-2.secret").write_bytes(b"x" * 32)
        other_host.run.keystore.directory.path.joinpath("refresh-2.secret").chmod(0o600)
    bring(host, other_host, "refresh-2.secret")
    assert rotate(other_host).state is SecretState.ACTIVE


def after_its_look(site, act):
    """Let something happen after the ceremony has read the database and before it writes."""
    connections = []

    def connected(connection):
        connections.append(connection)
        if len(connections) == 2:
            act()

    event.listen(site.run.transactions, "engine_connect", connected)


def test_two_hosts_with_directories_of_their_own_make_one_secret(two_hosts):
    """The lock of one is none for the other; the row is."""
    host, other_host = two_hosts
    other_host.clock.now = host.clock()
    after_its_look(other_host, lambda: rotate(host))
    assert rotate(other_host) == Rejected(CHANGED)
    assert states(host) == {1: "active", 2: "known"}
    assert files(host) == ["refresh-1.secret", "refresh-2.secret"]
    assert files(other_host) == ["refresh-1.secret"], "what it had made is worth nothing"


def test_a_secret_that_was_retired_meanwhile_is_not_activated(two_hosts):
    host, other_host = two_hosts
    rotate(host)

    def retire():
        with other_host.run.transactions.begin() as connection:
            statement = update(SecretIdRow).where(SecretIdRow.id == 2).values(state="retired")
            connection.execute(statement)

    after_its_look(host, retire)
    assert rotate(host) == Rejected(CHANGED)
    assert states(host) == {1: "active", 2: "retired"}


def test_a_secret_is_retired_only_from_the_state_it_was_seen_in(host):
    rotate(host)
    seen = next(entry for entry in ceremony(host).known() if entry.id == 2)
    rotate(host)
    assert ceremony(host).retire(seen, 0, host.clock()) == Rejected(CHANGED)
    assert states(host) == {1: "known", 2: "active"}


def test_before_the_first_start_there_is_nothing_to_rotate(empty):
    assert rotate(empty) == Rejected(
        "there is no derivation secret yet; `perennial serve` makes one"
    )
    assert files(empty) == []


def test_after_the_last_id_rotation_says_so(host):
    with host.run.transactions.begin() as connection:
        derivation_secrets.add(connection, 255, SecretState.RETIRED, 1)
    with pytest.raises(UnavailableError, match="every derivation secret id has been used"):
        rotate(host)


def test_a_file_that_let_others_in_stops_the_ceremony(host):
    (host.run.settings.keys_dir / "refresh-1.secret").chmod(0o640)
    with pytest.raises(KeyDirectoryError, match="lets others in"):
        rotate(host)
