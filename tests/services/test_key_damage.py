"""A private key that is there and cannot be used: half written, of another kind, sealed elsewhere."""

import pytest

from app.features.signing_keys import jobs
from app.services.keystore import UnavailableError
from app.store import signing_keys
from tests.services.vaults import Hosts, keys, signing, states, write_keks

DAY = 24 * 3600
JWKS = "/.well-known/jwks.json"


def damage(site, kid):
    """Half of the file is there, or half of what the row kept."""
    file = site.run.settings.keys_dir / f"{kid}.pem"
    if file.exists():
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        return
    with site.run.transactions.begin() as connection:
        (sealed,) = (e.sealed for e in signing_keys.kept(connection) if e.key.kid == kid)
        signing_keys.seal(connection, kid, sealed[: len(sealed) // 2])


def next_kid(site):
    return next(key.kid for key in keys(site) if key.signs_from is None)


def test_a_damaged_key_that_waits_takes_nothing_away(hosts):
    site = hosts.started()
    active = signing(site)
    damage(site, next_kid(site))
    for host in (site, hosts.another()):
        assert signing(host) == active
        assert host.http.get(JWKS).status_code == 200
    assert site.run.ceremony().establish(site.clock()), "another waits now"


def test_a_damaged_key_is_passed_over_when_its_turn_comes(hosts):
    site = hosts.started()
    damaged = next_kid(site)
    damage(site, damaged)
    site.clock.advance(seconds=30 * DAY)
    for _ in range(2):
        jobs.maintain(site.run)
        assert signing(site) != damaged
        site.clock.advance(seconds=331)
    assert states(site).count("retiring") == 1, "a good one was made, known and promoted"


def test_a_damaged_key_that_signs_stops_signing_and_nothing_else(hosts):
    site = hosts.started()
    site.user()
    client = site.client()
    token = site.sign_in(client)["access_token"]
    damaged = signing(site)
    damage(site, damaged)
    other = hosts.another()
    with pytest.raises(UnavailableError, match=damaged):
        other.run.signer()
    assert damaged in {key["kid"] for key in other.http.get(JWKS).json["keys"]}
    assert other.introspect(client, token)["active"] is True
    other.clock.advance(seconds=1)
    now = other.clock()
    other.run.ceremony().rotate(at_once=True, called_at=now + 1, now=now)
    assert signing(other) != damaged


def test_a_key_of_another_kind_is_not_held(database_url, tmp_path):
    hosts = Hosts(database_url, tmp_path, "directory")
    site = hosts.started()
    folder, waiting = site.run.settings.keys_dir, next_kid(site)
    other = Hosts(f"sqlite:///{tmp_path / 'rsa.db'}", tmp_path / "rsa", "directory")
    rsa = other.started(signing_alg="RS256")
    (folder / f"{waiting}.pem").write_bytes(
        (rsa.run.settings.keys_dir / f"{signing(rsa)}.pem").read_bytes()
    )
    assert site.run.ceremony().establish(site.clock())
    site.clock.advance(seconds=30 * DAY)
    jobs.maintain(site.run)
    assert signing(site) != waiting
    other.close()
    hosts.close()


def test_a_spoilt_file_of_key_encryption_keys_stops_no_server_that_runs(database_url, tmp_path):
    hosts = Hosts(database_url, tmp_path, "database")
    site, other = hosts.started(), hosts.another()
    (following,) = {key.kid for key in keys(site)} - {signing(site)}
    for host in (site, other):
        host.clock.advance(seconds=30 * DAY)
    jobs.maintain(other.run)
    (tmp_path / "kek").write_bytes(b"no key at all")
    assert site.run.signer().kid == following, "it was opened before"
    assert len(site.http.get(JWKS).json["keys"]) == 3
    with pytest.raises(UnavailableError, match="PERENNIAL_KEK_FILE"):
        signing(other)
    assert len(other.http.get(JWKS).json["keys"]) == 3
    write_keks(tmp_path / "kek", [b"n" * 32])
    with pytest.raises(UnavailableError, match="PERENNIAL_KEK_FILE"):
        signing(other)
    hosts.close()
