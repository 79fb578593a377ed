"""Private keys sealed in the database: nobody opens them without the key-encryption key."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.core.keyring import Algorithm, Key
from app.services import algorithms, signer
from app.services.database_vault import DatabaseVault
from app.services.vault import VaultError

OLD, NEW = b"o" * 32, b"n" * 32
CLAIMS = {"sub": "alice"}


def vault(*keks):
    return DatabaseVault(lambda: list(keks))


def key_of(made, alg=Algorithm.RS256):
    return Key(made.jwk["kid"], alg, 1, 1, 1)


@pytest.mark.parametrize("alg", Algorithm)
def test_what_was_sealed_signs_for_whoever_holds_the_key_that_seals(alg):
    made = vault(OLD).make(alg)
    key = key_of(made, alg)
    token = vault(OLD).signer(key, made.sealed).sign(CLAIMS)
    assert signer.verify(token, {key.kid: made.jwk}) == CLAIMS
    assert vault(OLD).holds(key, made.sealed)


def test_the_first_key_seals_and_every_one_of_them_opens():
    made = vault(OLD).make(Algorithm.ES256)
    key = key_of(made, Algorithm.ES256)
    both = vault(NEW, OLD)
    assert both.holds(key, made.sealed)
    assert not both.is_current(made.sealed)
    resealed = both.seal(key.kid, both.open(key, made.sealed))
    assert both.is_current(resealed)
    assert vault(NEW).signer(key, resealed).kid == key.kid
    assert not vault(NEW).holds(key, made.sealed)


def test_without_the_key_that_sealed_nothing_opens_and_the_operator_is_told():
    made = vault(OLD).make(Algorithm.RS256)
    key = key_of(made)
    with pytest.raises(VaultError, match=rf"^signing key {key.kid} is sealed under a key that is"):
        vault(NEW).signer(key, made.sealed)


def test_the_database_never_holds_a_private_key_in_clear():
    private = algorithms.new_private_key()
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = vault(OLD).seal("kid", private)
    numbers = private.private_numbers()
    assert der[40:80] not in sealed
    assert numbers.p.to_bytes(128, "big") not in sealed
    assert OLD not in sealed
    assert repr(vault(OLD)).find("oooo") == -1


def test_the_same_key_is_never_sealed_twice_alike():
    private = algorithms.new_private_key(Algorithm.ES256)
    assert vault(OLD).seal("kid", private) != vault(OLD).seal("kid", private)


@pytest.mark.parametrize("place", [0, 1, 8, 9, 20, 21, 60, -1])
def test_a_sealed_key_that_was_touched_is_refused(place):
    made = vault(OLD).make(Algorithm.ES256)
    touched = bytearray(made.sealed)
    touched[place] ^= 1
    with pytest.raises(VaultError):
        vault(OLD).signer(key_of(made, Algorithm.ES256), bytes(touched))


@pytest.mark.parametrize("size", [0, 1, 9, 21, 22, 37])
def test_a_sealed_key_that_was_cut_is_refused(size):
    made = vault(OLD).make(Algorithm.ES256)
    with pytest.raises(VaultError):
        vault(OLD).signer(key_of(made, Algorithm.ES256), made.sealed[:size])


def test_a_sealed_key_opens_under_its_own_kid_only():
    """Or whoever writes to the database could let a key sign that was given up."""
    made = vault(OLD).make(Algorithm.RS256)
    other = replace(key_of(made), kid="other")
    with pytest.raises(VaultError, match="was changed in the database"):
        vault(OLD).signer(other, made.sealed)


def test_a_key_does_not_sign_for_another_algorithm():
    made = vault(OLD).make(Algorithm.ES256)
    with pytest.raises(VaultError):
        vault(OLD).signer(key_of(made, Algorithm.RS256), made.sealed)
    wrong_curve = ec.generate_private_key(ec.SECP384R1())
    assert not algorithms.fits(wrong_curve, Algorithm.ES256)


def test_a_key_that_was_never_sealed_is_not_here():
    key = Key("kid", Algorithm.RS256, 1, 1, 1)
    assert vault(OLD).signer(key, None) is None
    assert not vault(OLD).holds(key, None)
