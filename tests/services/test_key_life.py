"""The life cycle carried out, on both keystores: by the job, by commands, through interruptions."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.core import keyring
from app.core.events import KeyCompromised, KeyCreated, KeyDropped, KeyPromoted
from app.core.keyring import Algorithm, KeyState, NobodyReady
from app.core.outcomes import Rejected
from app.features.signing_keys import jobs, use_case
from app.services.database_vault import DatabaseVault
from app.services.keystore import UnavailableError
from tests.services.vaults import (
    Hosts,
    keys,
    keystore_settings,
    private_files,
    sealed,
    signing,
    states,
    write_keks,
)
from tests.site import Site

DAY = 24 * 3600


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
    barrier = threading.Barrier(len(sites))

    def one(site):
        barrier.wait()
        return work(site)

    with ThreadPoolExecutor(len(sites)) as crowd:
        return list(crowd.map(one, sites))


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
    site.run.ceremony().rotate(at_once=True, called_at=site.clock() + 1, now=site.clock())
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


@pytest.mark.clause("rfc8725-3.2-02")
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
