"""Making, promoting and retiring keys: whatever interrupts a ceremony, the next start works."""

import threading

import flask_migrate
import pytest
from sqlalchemy import event, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from app.core import keyring
from app.core.events import (
    DerivationSecretActivated,
    DerivationSecretCreated,
    KeyCreated,
    KeyPromoted,
    KeyRetired,
)
from app.core.keyring import MARGIN, AlreadyScheduled, KeyState
from app.services.algorithms import new_private_key, public_jwk
from app.services.keystore import UnavailableError
from app.store import signing_keys
from app.store.derivation_secrets import SecretIdRow
from app.store.signing_keys import SigningKeyRow
from tests.servers import wait_until
from tests.site import Site


@pytest.fixture
def second_host(empty, tmp_path):
    """The same database, reached from another machine with a key directory of its own."""
    made = Site(str(empty.run.settings.database_url), tmp_path / "other-keys")
    yield made
    made.close()


@pytest.fixture
def two_hosts(postgresql, tmp_path):
    """Two machines with key directories of their own on one migrated, empty database."""
    url = postgresql.create_database()
    sites = [Site(url, tmp_path / name) for name in ("one", "other")]
    with sites[0].app.app_context():
        flask_migrate.upgrade()
    yield sites
    for site in sites:
        site.close()
    postgresql.drop_database(url)


def keys(site):
    with site.run.rotations.connect() as connection:
        return [entry.key for entry in signing_keys.everything(connection)]


def states(site) -> list[str]:
    known = keys(site)
    return sorted(keyring.state(key, known, site.clock()).value for key in known)


def establish(site):
    return site.run.ceremony().establish(site.clock())


def rotate(site, *, at_once=False):
    """A call of its own, a second after whatever happened before."""
    site.clock.advance(seconds=1)
    now = site.clock()
    return site.run.ceremony().rotate(at_once=at_once, called_at=now + 1, now=now)


def secret_ids(site) -> list[int]:
    with site.run.rotations.connect() as connection:
        return list(connection.execute(select(SecretIdRow.id).order_by(SecretIdRow.id)).scalars())


def files(site) -> list[str]:
    found = [path.name for path in site.run.settings.keys_dir.iterdir()]
    return sorted(name for name in found if not name.startswith("."))


# --- the first start ------------------------------------------------------------------------------


def test_a_first_start_makes_one_key_that_signs_one_that_will_and_a_secret(empty):
    events = establish(empty)
    known = keys(empty)
    assert states(empty) == ["active", "next"]
    secret = [DerivationSecretCreated(1), DerivationSecretActivated(1)]
    assert set(events) == {*secret, *(KeyCreated(key.kid) for key in known)}
    assert files(empty) == sorted([*(f"{key.kid}.pem" for key in known), "refresh-1.secret"])
    assert secret_ids(empty) == [1]
    empty.user()
    assert empty.sign_in(empty.client())["refresh_token"]


def test_a_second_start_makes_nothing(empty):
    establish(empty)
    before = files(empty), keys(empty)
    empty.clock.advance(seconds=3600)
    assert establish(empty) == ()
    assert (files(empty), keys(empty)) == before


def test_several_that_start_together_make_one_set_of_keys(empty):
    failures: list[Exception] = []

    def start():
        try:
            establish(empty)
        except Exception as error:  # noqa: BLE001  # shown below
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert states(empty) == ["active", "next"]
    assert len(files(empty)) == 3


def test_a_restart_remembers_the_longest_promise_ever_made(make_any_site):
    make_any_site(jwks_max_age=3600, access_token_ttl=60).run.ceremony().establish(0)
    shorter = make_any_site(jwks_max_age=10, access_token_ttl=10)
    establish(shorter)
    assert {(key.announced_max_age, key.longest_token) for key in keys(shorter)} == {
        (3_600_000, 900_000)  # 900 s is what the template promised
    }
    new = rotate(shorter, at_once=True)
    assert new.planned.superseded[0].retires_at == shorter.clock() + 900_000 + MARGIN
    assert {key.announced_max_age for key in keys(shorter)} == {3_600_000}


# --- interrupted ----------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["INSERT INTO secret_ids", "INSERT INTO signing_keys"])
def test_a_start_that_is_killed_between_file_and_row_is_made_good_by_the_next(empty, statement):
    """The rows are lost, the files stay: what the kernel does to a process at that moment."""

    class Killed(BaseException):
        pass

    def kill(connection, cursor, sql, *_):
        if sql.startswith(statement):
            raise Killed

    event.listen(empty.run.transactions, "before_cursor_execute", kill)
    with pytest.raises(Killed):
        establish(empty)
    event.remove(empty.run.transactions, "before_cursor_execute", kill)
    left = files(empty)
    assert left
    assert keys(empty) == []
    establish(empty)
    assert states(empty) == ["active", "next"]
    assert set(left) <= set(files(empty)), "an orphan is left alone"
    assert secret_ids(empty) == [1]
    assert empty.run.signer().kid in {key.kid for key in keys(empty)}
    empty.user()
    client = empty.client()
    token = empty.sign_in(client)["refresh_token"]
    assert empty.refresh(client, token).status_code == 200


def test_an_orphaned_key_is_never_published(empty):
    establish(empty)
    stray = new_private_key()
    empty.run.keystore.directory.save_key(public_jwk(stray)["kid"], stray)
    empty.run.keystore.forget()
    assert public_jwk(stray)["kid"] not in empty.run.keystore.published(empty.clock())
    assert establish(empty) == ()


# --- lost -----------------------------------------------------------------------------------------


def test_a_lost_active_key_is_refused_with_the_way_out(empty):
    establish(empty)
    lost = empty.run.signer().kid
    (empty.run.settings.keys_dir / f"{lost}.pem").unlink()
    with pytest.raises(UnavailableError) as refused:
        establish(empty)
    assert str(refused.value) == (
        f"signing key {lost} is active but not in the keystore: restore it,"
        " or promote another with `perennial keys rotate --now`"
    )
    promoted = rotate(empty, at_once=True).planned.promoted.kid
    assert establish(empty) == ()
    empty.run.keystore.forget()
    assert empty.run.signer().kid == promoted


def test_a_waiting_key_whose_file_is_lost_is_passed_over(empty):
    establish(empty)
    active = empty.run.signer().kid
    waiting = next(key.kid for key in keys(empty) if key.kid != active)
    (empty.run.settings.keys_dir / f"{waiting}.pem").unlink()
    planned = rotate(empty, at_once=True).planned
    assert planned.promoted.kid not in {active, waiting}
    empty.run.keystore.forget()
    assert empty.run.signer().kid == planned.promoted.kid


# --- two hosts ------------------------------------------------------------------------------------


def test_a_second_host_without_the_keys_is_told_to_bring_them(empty, second_host):
    establish(empty)
    with pytest.raises(UnavailableError, match="restore it"):
        establish(second_host)
    assert files(second_host) == []
    assert states(empty) == ["active", "next"]


def test_of_two_hosts_that_start_at_once_the_loser_keeps_no_secret_of_its_own(two_hosts):
    """Kept under an id that the winner used, it would derive tokens that no other host knows."""
    winner, loser = two_hosts
    outcome: list[BaseException | None] = []

    def start():
        try:
            establish(loser)
            outcome.append(None)
        except (UnavailableError, SQLAlchemyError) as error:
            outcome.append(error)

    with winner.run.transactions.begin() as connection:
        connection.execute(insert(SecretIdRow).values(id=1, state="active", created_at=1))
        thread = threading.Thread(target=start)
        thread.start()
        wait_until(lambda: outcome or blocked(winner), "the loser meets the winner's row")
    thread.join()
    assert isinstance(outcome[0], UnavailableError), outcome[0]
    assert files(loser) == []
    with pytest.raises(UnavailableError, match="restore it"):
        establish(loser)


def blocked(site) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with site.run.rotations.connect() as connection:
        return connection.execute(query).scalar_one() > 0


# --- rotation -------------------------------------------------------------------------------------


def test_a_rotation_waits_until_every_verifier_can_know_the_key(any_site):
    """Published for the largest announced max-age and 30 seconds."""
    waiting = next(key for key in keys(any_site) if key.signs_from is None)
    any_site.clock.advance(seconds=100)
    rotation = rotate(any_site)
    start = waiting.created_at + 300_000 + 30_000
    assert rotation.planned.promoted.kid == waiting.kid
    assert rotation.planned.promoted.signs_from == start
    assert not rotation.planned.early()
    assert rotation.events[-1] == KeyPromoted(waiting.kid, start // 1000)
    assert states(any_site) == ["active", "next", "next"]
    again = rotate(any_site)
    assert again.planned == AlreadyScheduled(waiting.kid, start)
    assert again.events == ()
    any_site.clock.now = start
    assert states(any_site) == ["active", "next", "retiring"]


def test_a_key_that_was_published_long_enough_signs_at_once_and_without_warning(any_site):
    any_site.clock.advance(seconds=330)
    rotation = rotate(any_site)
    assert rotation.planned.promoted.signs_from == any_site.clock()
    assert not rotation.planned.early()
    assert rotation.active.kid == rotation.planned.promoted.kid


def test_at_once_does_not_wait_and_tells_that_it_is_early(any_site):
    assert rotate(any_site, at_once=True).planned.early()
    assert states(any_site) == ["active", "next", "retiring"]


def test_the_superseded_key_verifies_until_its_last_token_has_expired(any_site):
    old = any_site.run.signer()
    rotate(any_site, at_once=True)
    any_site.clock.advance(seconds=900 + 29)
    assert old.kid in any_site.run.keystore.published(any_site.clock())
    any_site.clock.advance(seconds=1)
    assert old.kid not in any_site.run.keystore.published(any_site.clock())
    assert states(any_site) == ["active", "next", "retired"]


def test_of_calls_that_overlap_only_the_first_acts(any_site):
    before = any_site.clock()
    any_site.clock.advance(seconds=60)
    called = any_site.clock()
    ceremony = any_site.run.ceremony()
    first = ceremony.rotate(at_once=True, called_at=called, now=called + 5)
    assert first.planned is not None
    for began in (called, called + 5, before):
        later = ceremony.rotate(at_once=True, called_at=began, now=called + 900)
        assert later.planned is None
        assert later.active.kid == first.planned.promoted.kid
    any_site.clock.advance(seconds=60)
    assert rotate(any_site, at_once=True).planned is not None, "a later call acts again"


def test_a_preview_says_what_would_happen_and_changes_nothing(any_site):
    before = keys(any_site), files(any_site)
    ceremony = any_site.run.ceremony()
    for at_once in (False, True):
        preview = ceremony.preview(any_site.clock(), at_once=at_once)
        assert preview.planned.promoted.kid in {key.kid for key in before[0]}
        assert preview.events == ()
    assert (keys(any_site), files(any_site)) == before


def test_only_a_key_that_has_stopped_signing_can_be_retired(any_site):
    old = any_site.run.signer().kid
    for kid in [*(key.kid for key in keys(any_site)), "nobody", ""]:
        assert any_site.run.ceremony().retire(kid, any_site.clock()) is None
    rotate(any_site, at_once=True)
    retired = any_site.run.ceremony().retire(old, any_site.clock())
    assert retired == (KeyRetired(old),)
    assert any_site.run.ceremony().retire(old, any_site.clock()) is None
    known = {key.kid: key for key in keys(any_site)}
    state = keyring.state(known[old], list(known.values()), any_site.clock())
    assert state is KeyState.RETIRED


def test_what_happened_to_keys_is_in_the_audit(any_site):
    planned = rotate(any_site, at_once=True).planned
    superseded = planned.superseded[0].kid
    any_site.run.ceremony().retire(superseded, any_site.clock())
    with any_site.run.rotations.connect() as connection:
        rows = connection.execute(text("SELECT event, detail FROM audit ORDER BY id")).all()
    assert [tuple(row) for row in rows][-2:] == [
        ("key_promoted", planned.promoted.kid),
        ("key_retired", superseded),
    ]
    assert sum(event == "key_created" for event, _ in rows) == 3


def test_a_compromised_key_neither_signs_nor_is_published(any_site):
    bad = any_site.run.signer().kid
    with any_site.run.transactions.begin() as connection:
        connection.execute(
            update(SigningKeyRow).where(SigningKeyRow.kid == bad).values(compromised_at=1)
        )
    any_site.run.keystore.forget()
    assert bad not in any_site.run.keystore.published(any_site.clock())
    with pytest.raises(UnavailableError):
        any_site.run.signer()
    establish(any_site)
    any_site.run.keystore.forget()
    assert any_site.run.signer().kid != bad


def test_who_waited_for_another_makes_nothing_of_its_own(empty):
    """Its clock was read before the wait: to it, what the other made lies in the future."""
    ceremony, before = empty.run.ceremony(), empty.clock()
    empty.clock.advance(seconds=2)
    establish(empty)
    assert ceremony.establish(before) == ()
    empty.clock.advance(seconds=2)
    acted = ceremony.rotate(at_once=True, called_at=before + 3_000, now=empty.clock())
    waited = ceremony.rotate(at_once=True, called_at=before + 3_000, now=before + 3_500)
    assert (acted.planned is None, waited.planned) == (False, None)
    assert len(keys(empty)) == 3
