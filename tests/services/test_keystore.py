"""The keys a process works with: what it notices, when, and what it goes on with."""

import stat

import jwt
import pytest
from sqlalchemy import insert, text, update

from app.core.refresh_token import SECRET_BYTES, Authenticity, Availability, parse
from app.services import key_directory
from app.services.directory_vault import DirectoryVault
from app.services.key_directory import KeyDirectory
from app.services.keystore import FRESH, Keystore, UnavailableError
from app.store.derivation_secrets import SecretIdRow
from app.store.signing_keys import SigningKeyRow


@pytest.fixture
def parsed(monkeypatch):
    """How often a private key was parsed, which takes long when its numbers are checked."""
    calls: list[int] = []
    parse_key = key_directory.load_pem_private_key

    def counting(data, passphrase, *, unsafe_skip_rsa_key_validation):
        if not unsafe_skip_rsa_key_validation:
            calls.append(len(data))
        return parse_key(
            data, passphrase, unsafe_skip_rsa_key_validation=unsafe_skip_rsa_key_validation
        )

    monkeypatch.setattr(key_directory, "load_pem_private_key", counting)
    return calls


def promote(site) -> str:
    """Rotate at once, as a command in another process does; the new key's id."""
    now = site.clock()
    ceremony = site.run.ceremony()
    return ceremony.rotate(at_once=True, called_at=now + 1, now=now).planned.promoted.kid


def kid(site) -> str:
    return site.run.signer().kid


def execute(site, statement):
    with site.run.transactions.begin() as connection:
        connection.execute(statement)


def test_the_active_key_signs_and_all_that_sign_or_will_are_published(any_site):
    signer = any_site.run.signer()
    published = any_site.run.keystore.published(any_site.clock())
    assert len(published) == 2
    assert signer.kid in published
    key = jwt.PyJWK(dict(published[signer.kid]))
    assert jwt.decode(signer.sign({"a": 1}), key, algorithms=["RS256"]) == {"a": 1}


def test_private_keys_are_parsed_once_however_often_they_are_used(site, parsed):
    for _ in range(50):
        site.run.signer().sign({"a": 1})
        site.clock.advance(seconds=10)
    assert len(parsed) == 2, "the one that signs and the one that will"
    promote(site)
    before = len(parsed)
    site.run.keystore.forget()
    site.clock.advance(seconds=10)
    for _ in range(50):
        site.run.signer().sign({"a": 1})
        site.clock.advance(seconds=10)
    assert len(parsed) - before <= 3


def test_a_rotation_is_noticed_after_two_seconds_and_not_looked_for_before(any_site):
    first = kid(any_site)
    any_site.clock.advance(seconds=1)
    second = promote(any_site)
    assert second != first
    any_site.clock.advance(seconds=(FRESH - 1) / 1000 - 1)
    assert kid(any_site) == first
    any_site.clock.advance(seconds=0.001)
    assert kid(any_site) == second


def test_a_rotation_is_noticed_also_when_the_clock_was_set_back(site):
    """Or nothing would be noticed until the clock had caught up."""
    execute(site, update(SigningKeyRow).where(SigningKeyRow.signs_from > 0).values(signs_from=1))
    first = kid(site)
    other = next(k for k in site.run.keystore.published(site.clock()) if k != first)
    execute(site, update(SigningKeyRow).where(SigningKeyRow.kid == other).values(signs_from=2))
    assert kid(site) == first
    site.clock.advance(seconds=-3600)
    assert kid(site) == other


def test_a_scheduled_key_signs_from_its_moment_without_anybody_doing_anything(site):
    first = kid(site)
    now = site.clock()
    planned = site.run.ceremony().rotate(at_once=False, called_at=now + 1, now=now).planned
    start = planned.promoted.signs_from
    site.clock.now = start - 1
    assert kid(site) == first
    site.clock.now = start
    assert kid(site) == planned.promoted.kid
    assert first in site.run.keystore.published(start), "its tokens still verify"


def test_the_old_snapshot_goes_on_while_the_database_is_away(make_sqlite_site):
    site = make_sqlite_site()
    before = kid(site)
    execute(site, text("ALTER TABLE signing_keys RENAME TO away"))
    site.clock.advance(seconds=60)
    assert kid(site) == before
    assert site.run.ring().active == 1
    execute(site, text("ALTER TABLE away RENAME TO signing_keys"))
    after = promote(site)
    assert kid(site) == after


def test_a_missing_private_key_is_named_and_others_still_verify(site):
    missing = kid(site)
    (site.run.settings.keys_dir / f"{missing}.pem").unlink()
    site.run.keystore.forget()
    complaint = f"the private key {missing} is missing from the keystore"
    with pytest.raises(UnavailableError, match=complaint):
        site.run.signer()
    assert missing in site.run.keystore.published(site.clock())


@pytest.mark.clause("rfc7517-9.2-02")
def test_a_key_file_that_was_opened_to_others_is_not_used(site):
    active = kid(site)
    (site.run.settings.keys_dir / f"{active}.pem").chmod(0o644)
    site.run.keystore.forget()
    with pytest.raises(UnavailableError, match="lets others in"):
        site.run.signer()
    assert stat.S_IMODE((site.run.settings.keys_dir / f"{active}.pem").stat().st_mode) == 0o644


def test_a_wrong_passphrase_makes_nothing_available_and_says_so(site):
    directory = KeyDirectory(site.run.settings.keys_dir, b"a passphrase")
    keystore = Keystore(directory, DirectoryVault(directory), site.run.rotations)
    with pytest.raises(UnavailableError, match="PERENNIAL_KEYS_PASSPHRASE_FILE is set"):
        keystore.signer(site.clock())


def test_a_snapshot_shows_no_key_material(site):
    site.run.signer()
    shown = repr(site.run.keystore._snapshot) + repr(site.run.ring())
    for secret in site.run.keystore.directory.secrets().values():
        assert repr(secret) not in shown
        assert secret.hex() not in shown


# --- derivation secrets: held, awaited, gone (rule R1c) -------------------------------------------


def add_id(site, secret_id, state):
    execute(site, insert(SecretIdRow).values(id=secret_id, state=state, created_at=1))
    site.run.keystore.forget()


def hold(site, secret_id):
    site.run.keystore.directory.new_secret(secret_id)
    site.run.keystore.forget()


@pytest.mark.parametrize(
    ("state", "held", "availability"),
    [
        ("active", True, Availability.HELD),
        ("known", True, Availability.HELD),
        ("active", False, Availability.AWAITED),
        ("known", False, Availability.AWAITED),
        ("retired", False, Availability.GONE),
        ("retired", True, Availability.GONE),
    ],
)
def test_an_id_is_held_awaited_or_gone(any_site, state, held, availability):
    add_id(any_site, 2, state)
    if held:
        hold(any_site, 2)
    assert any_site.run.ring().availability(2) is availability
    assert any_site.run.ring().availability(1) is Availability.HELD


def test_an_id_beyond_the_newest_is_one_we_have_not_heard_of_yet(site):
    add_id(site, 3, "retired")
    ring = site.run.ring()
    assert [ring.availability(id_) for id_ in (0, 2, 3, 4, 255)] == [
        Availability.GONE,
        Availability.GONE,
        Availability.GONE,
        Availability.AWAITED,
        Availability.AWAITED,
    ]


def test_new_tokens_are_derived_with_the_newest_secret_here_that_is_not_beyond_the_active(any_site):
    for secret_id, state in ((2, "known"), (3, "active"), (4, "known"), (5, "retired")):
        add_id(any_site, secret_id, state)
    for held, derives in ((4, 1), (5, 1), (2, 2), (3, 3)):
        hold(any_site, held)
        assert any_site.run.ring().active == derives, f"{held} has come"


def test_a_token_of_a_secret_that_is_on_its_way_is_undecided_and_lost_once_it_is_gone(site):
    salt, sid = b"s" * 32, b"i" * 16
    token = site.run.ring().mint(1, sid, salt, 1)
    assert site.run.ring().authenticate(parse(token), salt) is Authenticity.GENUINE
    add_id(site, 2, "active")
    hold(site, 2)
    token = site.run.ring().mint(2, sid, salt, 1)
    (site.run.settings.keys_dir / "refresh-2.secret").unlink()
    site.run.keystore.forget()
    assert site.run.ring().authenticate(parse(token), salt) is Authenticity.UNDECIDED
    execute(site, update(SecretIdRow).where(SecretIdRow.id == 2).values(state="retired"))
    site.run.keystore.forget()
    assert site.run.ring().authenticate(parse(token), salt) is Authenticity.LOST


def test_without_an_active_secret_nothing_can_be_derived(site):
    (site.run.settings.keys_dir / "refresh-1.secret").unlink()
    with pytest.raises(UnavailableError, match="no active derivation secret is in the key dir"):
        site.run.ring()
    execute(site, text("DELETE FROM secret_ids"))
    (site.run.settings.keys_dir / "refresh-1.secret").write_bytes(b"s" * SECRET_BYTES)
    (site.run.settings.keys_dir / "refresh-1.secret").chmod(0o600)
    site.run.keystore.forget()
    with pytest.raises(UnavailableError, match="no active derivation secret"):
        site.run.ring()
