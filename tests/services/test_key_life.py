"""The life cycle carried out, on both keystores: by the job, by commands, through interruptions."""

import threading

import flask_migrate
import pytest
from sqlalchemy import event, text

from app.core import keyring
from app.core.events import KeyCompromised, KeyCreated, KeyDropped, KeyPromoted
from app.core.keyring import Algorithm, KeyState, NobodyReady
from app.core.outcomes import Rejected
from app.features.signing_keys import jobs, use_case
from app.services.database_vault import DatabaseVault
from app.services.keystore import UnavailableError
from app.store import signing_keys
from tests.services.vaults import keystore_settings, write_keks
from tests.site import Site

DAY = 24 * 3600


class Hosts:
    """Hosts of one database and one keystore, empty at first."""

    def __init__(self, url, folder, kind):
        self._made = []
        self._how = (url, folder / "shared-keys")
        # Made a hundred times quicker than an RSA key, and many are made here.
        self._settings = {"signing_alg": "ES256", **keystore_settings(kind, folder)}

    def another(self, **settings) -> Site:
        site = Site(*self._how, **{**self._settings, **settings})
        if self._made:
            site.clock.now = self._made[0].clock.now
        else:
            with site.app.app_context():
                flask_migrate.upgrade()
        self._made.append(site)
        return site

    def started(self, **settings) -> Site:
        site = self.another(**settings)
        site.run.ceremony().establish(site.clock())
        return site

    def close(self):
        for site in self._made:
            site.close()


@pytest.fixture(params=["directory", "database"])
def hosts(request, database_url, tmp_path):
    made = Hosts(database_url, tmp_path, request.param)
    yield made
    made.close()


def keys(site):
    with site.run.rotations.connect() as connection:
        return [entry.key for entry in signing_keys.everything(connection)]


def states(site) -> list[str]:
    known = keys(site)
    return sorted(keyring.state(key, known, site.clock()).value for key in known)


def signing(site) -> str:
    site.run.keystore.forget()
    return site.run.signer().kid


def private_files(site) -> set[str]:
    return {path.stem for path in site.run.settings.keys_dir.glob("*.pem")}


def sealed(site) -> set[str]:
    with site.run.rotations.connect() as connection:
        return {e.key.kid for e in signing_keys.everything(connection) if e.sealed is not None}


def test_a_key_is_followed_by_the_next_when_its_time_is_over(hosts):
    site = hosts.started()
    first = signing(site)
    jobs.maintain(site.run)
    assert signing(site) == first
    site.clock.advance(seconds=30 * DAY)
    jobs.maintain(site.run)
    second = signing(site)
    assert second != first
    assert states(site) == ["active", "next", "retiring"]
    site.clock.advance(seconds=900 + 30)
    jobs.maintain(site.run)
    assert states(site) == ["active", "next", "retired"]
    assert signing(site) == second


def test_a_dropped_key_leaves_no_private_half_behind(hosts):
    site = hosts.started()
    first = signing(site)
    assert first in private_files(site) | sealed(site)
    site.clock.advance(seconds=30 * DAY)
    jobs.maintain(site.run)
    assert first in private_files(site) | sealed(site), "until its last token has expired"
    site.clock.advance(seconds=930)
    jobs.maintain(site.run)
    assert first not in private_files(site) | sealed(site)
    assert len(private_files(site) | sealed(site)) == 2


def test_a_database_keystore_leaves_no_private_key_in_the_directory(database_url, tmp_path):
    hosts = Hosts(database_url, tmp_path, "database")
    site = hosts.started()
    assert private_files(site) == set()
    assert len(sealed(site)) == 2
    assert signing(hosts.another()) == signing(site), "another host signs with the same key"
    hosts.close()


def test_each_transition_is_told_and_in_the_audit(hosts):
    site = hosts.started()
    first, (waiting,) = signing(site), [k.kid for k in keys(site) if k.signs_from is None]
    site.clock.advance(seconds=30 * DAY)
    told = site.run.ceremony().maintain(site.clock())
    (created,) = (event for event in told if isinstance(event, KeyCreated))
    assert KeyPromoted(waiting, site.clock() // 1000) in told
    site.clock.advance(seconds=930)
    assert site.run.ceremony().maintain(site.clock()) == (KeyDropped(first),)
    with site.run.rotations.connect() as connection:
        rows = connection.execute(text("SELECT event, detail FROM audit ORDER BY id")).all()
    assert [tuple(row) for row in rows][-3:] == [
        ("key_created", created.kid),
        ("key_promoted", waiting),
        ("key_dropped", first),
    ]


def test_a_start_after_a_long_rest_does_what_has_become_due(hosts):
    site = hosts.started()
    first = signing(site)
    site.clock.advance(seconds=365 * DAY)
    site.run.ceremony().establish(site.clock())
    assert signing(site) != first
    assert states(site) == ["active", "next", "retiring"]


def test_four_hosts_that_plan_at_the_same_moment_make_one_key(hosts):
    sites = [hosts.started(), *(hosts.another() for _ in range(3))]
    for site in sites:
        site.clock.now += 30 * DAY * 1000
    together(sites, lambda site: jobs.maintain(site.run))
    assert states(sites[0]) == ["active", "next", "retiring"]
    assert len({signing(site) for site in sites}) == 1


def test_of_four_rotations_at_the_same_moment_one_acts(hosts):
    sites = [hosts.started(), *(hosts.another() for _ in range(3))]
    for site in sites:
        site.clock.now += 60_000
    now = sites[0].clock()
    done = together(
        sites, lambda s: s.run.ceremony().rotate(at_once=True, called_at=now, now=now + 5)
    )
    assert sum(rotation.planned is not None for rotation in done) == 1
    assert len(keys(sites[0])) == 3, "exactly one new key"


def together(sites, work):
    """Each in a thread; what they came to."""
    answers, barrier = [], threading.Barrier(len(sites))

    def one(site):
        barrier.wait()
        try:
            answers.append(work(site))
        except Exception as error:  # noqa: BLE001  # compared below
            answers.append(error)

    threads = [threading.Thread(target=one, args=(site,)) for site in sites]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [each for each in answers if isinstance(each, Exception)], answers
    return answers


# --- interruptions --------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def rotation(site):
    now = site.clock()
    site.run.ceremony().rotate(at_once=True, called_at=now + 1, now=now)


def compromise(site):
    known = keys(site)
    kid = keyring.active(known, site.clock()).kid
    site.run.ceremony().compromise(kid, site.clock(), everything=True)


ACTS = {
    "start": lambda site: site.run.ceremony().establish(site.clock()),
    "plan": lambda site: site.run.ceremony().maintain(site.clock()),
    "rotate": rotation,
    "compromise": compromise,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_killed_at_any_point_of_a_ceremony_a_keystore_starts_and_signs(hosts, act, monkeypatch):
    """Before each statement, each commit, after each key that was kept and each that was dropped."""
    first = act is ACTS["start"]
    site = hosts.another() if first else hosts.started()
    point = 0
    while True:
        point += 1
        if not first:
            site.clock.advance(seconds=31 * DAY)
            site.run.ceremony().establish(site.clock())
            site.clock.advance(seconds=31 * DAY)
        if not killed_at(point, site, act, monkeypatch):
            break
        again = hosts.another()
        again.clock.now = site.clock.now + 2_000
        again.run.ceremony().establish(again.clock())
        token = again.run.signer().sign({"sub": "alice"})
        assert token
        assert again.run.signer().kid in again.run.keystore.published(again.clock())
        assert again.run.ring().active == 1
        assert states(again).count("active") == 1
        assert "next" in states(again)
        if first:
            break_down(site)
    assert point > 4, "there were points to be killed at"


def break_down(site):
    """Back to before the first start."""
    with site.run.transactions.begin() as connection:
        for table in ("signing_keys", "secret_ids", "audit"):
            connection.execute(text(f"DELETE FROM {table}"))
    for file in site.run.settings.keys_dir.iterdir():
        if file.name != ".lock":
            file.unlink()


def killed_at(point, site, act, monkeypatch) -> bool:
    """Whether the act went as far as the point; it ends there."""
    left = [point]

    def step(*_):
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    vault = site.run.keystore.vault
    with monkeypatch.context() as patch:
        for name in ("make", "destroy"):
            patch.setattr(type(vault), name, after(getattr(type(vault), name), step))
        event.listen(site.run.transactions, "before_cursor_execute", step)
        event.listen(site.run.transactions, "commit", step)
        try:
            act(site)
        except Killed:
            return True
        finally:
            event.remove(site.run.transactions, "before_cursor_execute", step)
            event.remove(site.run.transactions, "commit", step)
    return False


def after(method, step):
    def stepping(self, *args):
        answer = method(self, *args)
        step()
        return answer

    return stepping


def test_what_an_interruption_left_of_a_dropped_key_goes_at_the_next_start(hosts, monkeypatch):
    site = hosts.started()
    first = signing(site)
    site.clock.advance(seconds=30 * DAY)
    jobs.maintain(site.run)
    site.clock.advance(seconds=930)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(site.run.keystore.vault), "destroy", killed)
        with pytest.raises(Killed):
            site.run.ceremony().maintain(site.clock())
    site.run.ceremony().establish(site.clock())
    assert first not in private_files(site) | sealed(site)


# --- lost and given up ----------------------------------------------------------------------------


def test_a_host_without_the_active_key_plans_nothing(database_url, tmp_path):
    """It would promote a key that no other host holds."""
    hosts = Hosts(database_url, tmp_path, "directory")
    site = hosts.started()
    stranger = Site(database_url, tmp_path / "elsewhere")
    stranger.clock.now = site.clock() + 30 * DAY * 1000
    before = keys(site)
    with pytest.raises(UnavailableError, match="active but not in the keystore"):
        jobs.maintain(stranger.run)
    assert keys(site) == before
    stranger.close()
    hosts.close()


def test_a_compromised_key_is_followed_refused_and_gone(hosts):
    site = hosts.started()
    site.clock.advance(seconds=330)
    site.user()
    client = site.client()
    tokens = site.sign_in(client)
    bad = signing(site)
    assert site.introspect(client, tokens["access_token"])["active"] is True
    answer = use_case.compromise(site.run, bad, everything=False, end_sessions=False)
    assert answer.sessions == 0
    assert answer.compromised.promised == 300_000
    assert KeyCompromised(bad) in answer.compromised.events
    assert signing(site) == answer.compromised.signing.kid != bad
    assert bad not in site.run.keystore.published(site.clock())
    assert site.introspect(client, tokens["access_token"]) == {"active": False}
    assert site.refresh(client, tokens["refresh_token"]).status_code == 200, "no session ended"
    assert bad not in private_files(site) | sealed(site)
    assert states(site) == ["active", "compromised", "next"]
    again = use_case.compromise(site.run, bad, everything=False, end_sessions=False)
    assert again == Rejected(f"signing key {bad} is compromised already")


def test_without_a_key_that_everybody_knows_a_compromise_says_when_there_is_one(hosts):
    site = hosts.started()
    bad = signing(site)
    answer = use_case.compromise(site.run, bad, everything=False, end_sessions=False)
    assert answer == NobodyReady(site.clock() + 330_000)
    assert signing(site) == bad


def test_all_keys_given_up_are_replaced_by_one_that_signs_at_once(hosts):
    site = hosts.started()
    before = {key.kid for key in keys(site)}
    bad = signing(site)
    answer = use_case.compromise(site.run, bad, everything=True, end_sessions=False)
    assert {key.kid for key in answer.compromised.lost} == before
    assert signing(site) not in before
    assert set(site.run.keystore.published(site.clock())).isdisjoint(before)
    assert states(site) == ["active", "compromised", "compromised", "next"]


def test_the_sessions_a_key_may_have_signed_for_end_on_request(hosts):
    site = hosts.started()
    site.user()
    client = site.client()
    early = site.sign_in(client)["refresh_token"]
    site.clock.advance(seconds=330)
    rotation(site)
    site.run.keystore.forget()
    site.clock.advance(seconds=2_000)
    site.run.ceremony().maintain(site.clock())
    site.run.keystore.forget()
    late = site.sign_in(client)["refresh_token"]
    answer = use_case.compromise(site.run, signing(site), everything=False, end_sessions=True)
    assert answer.sessions == 1
    assert site.refresh(client, late).json["reason"] == "session_ended"
    assert site.refresh(client, early).status_code == 200, "it never saw a token of that key"


def test_unknown_keys_are_refused(hosts):
    site = hosts.started()
    answer = use_case.compromise(site.run, "nobody", everything=True, end_sessions=True)
    assert answer == Rejected("there is no signing key nobody")
    assert states(site) == ["active", "next"]


# --- algorithms and reseal ------------------------------------------------------------------------


def test_a_new_algorithm_takes_over_while_tokens_of_the_old_one_still_verify(hosts):
    old = hosts.started()
    old.user()
    client = old.client()
    token = old.sign_in(client)["access_token"]
    site = hosts.started(signing_alg="RS256")
    assert states(site) == ["active", "next", "next"]
    site.clock.advance(seconds=330)
    jobs.maintain(site.run)
    active = keyring.active(keys(site), site.clock())
    assert active.alg is Algorithm.RS256
    assert site.introspect(client, token)["active"] is True
    new = site.sign_in(client)["access_token"]
    assert site.introspect(client, new)["active"] is True
    jobs.maintain(site.run)
    assert states(site) == ["active", "next", "retired", "retiring"], "nobody waits for ES256"


def test_keys_are_sealed_anew_under_the_first_key_encryption_key(database_url, tmp_path):
    hosts = Hosts(database_url, tmp_path, "database")
    site = hosts.started()
    before = signing(site)
    vault = site.run.keystore.vault
    assert isinstance(vault, DatabaseVault)
    (old,) = vault.keys()
    assert use_case.reseal(site.run) == 0, "it is the first one"
    write_keks(tmp_path / "kek", [b"n" * 32, old])
    assert signing(hosts.another()) == before, "both are held during the change"
    assert use_case.reseal(site.run) == 2
    write_keks(tmp_path / "kek", [b"n" * 32])
    assert signing(hosts.another()) == before
    write_keks(tmp_path / "kek", [old])
    with pytest.raises(UnavailableError, match="PERENNIAL_KEK_FILE"):
        signing(hosts.another())
    hosts.close()


def test_keys_move_from_the_directory_to_the_database(database_url, tmp_path):
    hosts = Hosts(database_url, tmp_path, "directory")
    site = hosts.started()
    before = signing(site)
    assert use_case.reseal(site.run) == Rejected(
        "keys are sealed only with PERENNIAL_KEYSTORE=database"
    )
    moved = hosts.another(**keystore_settings("database", tmp_path))
    with pytest.raises(UnavailableError, match="active but not in the keystore"):
        moved.run.ceremony().establish(moved.clock())
    assert use_case.reseal(moved.run) == 2
    assert moved.run.ceremony().establish(moved.clock()) == ()
    assert signing(moved) == before
    hosts.close()


def test_a_state_is_known_for_every_key_that_is_remembered_and_then_forgotten(hosts):
    site = hosts.started()
    site.clock.advance(seconds=30 * DAY)
    jobs.maintain(site.run)
    site.clock.advance(seconds=930)
    jobs.maintain(site.run)
    known = keys(site)
    assert KeyState.RETIRED in {keyring.state(key, known, site.clock()) for key in known}
    site.clock.advance(seconds=90 * DAY + 1)
    jobs.forget(site.run)
    assert len(keys(site)) == len(known) - 1
