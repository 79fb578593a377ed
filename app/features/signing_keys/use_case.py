"""Giving up a key that others may have, and sealing keys anew."""

from dataclasses import dataclass

from app.core.keyring import NobodyReady
from app.core.outcomes import Rejected
from app.core.sessions import EndReason
from app.protocol.sign_out import end_chosen
from app.services import algorithms
from app.services.database_vault import DatabaseVault
from app.services.key_ceremony import Compromised
from app.services.runtime import Runtime
from app.store import signing_keys
from app.store.bulk_endings import SeenSince
from app.store.signing_keys import StoredKey


@dataclass(frozen=True, slots=True)
class GivenUp:
    compromised: Compromised
    sessions: int
    """How many were ended for it."""


def compromise(
    run: Runtime, kid: str, *, everything: bool, end_sessions: bool
) -> GivenUp | NobodyReady | Rejected:
    """Stop believing in a key and, if asked to, end the sessions it may have signed tokens for."""
    done = run.ceremony().compromise(kid, run.now(), everything=everything)
    if not isinstance(done, Compromised):
        return done
    run.keystore.forget()
    run.telemetry.publish(done.events)
    ended = 0
    if end_sessions and done.signed_since is not None:
        ended = end_chosen(run, SeenSince(done.signed_since), EndReason.KEY_COMPROMISED)
    return GivenUp(done, ended)


def reseal(run: Runtime) -> int | Rejected:
    """Seal private keys in the database under the first key-encryption key, also those that are
    still files of this host's key directory. Returns how many were. Raises `VaultError`, and then
    none was.
    """
    vault = run.keystore.vault
    if not isinstance(vault, DatabaseVault):
        return Rejected("keys are sealed only with PERENNIAL_KEYSTORE=database")
    with run.ceremony().alone(), run.transactions.begin() as connection:
        sealed = {
            entry.key.kid: _sealed_anew(run, vault, entry)
            for entry in signing_keys.kept(connection)
        }
        for kid, box in sealed.items():
            if box is not None:
                signing_keys.seal(connection, kid, box)
    return sum(box is not None for box in sealed.values())


def _sealed_anew(run: Runtime, vault: DatabaseVault, entry: StoredKey) -> bytes | None:
    """None where there is nothing to do."""
    if entry.sealed is not None:
        if vault.is_current(entry.sealed):
            return None
        return vault.seal(entry.key.kid, vault.open(entry.key, entry.sealed))
    private = run.keystore.directory.load_key(entry.key.kid)
    if not algorithms.fits(private, entry.key.alg):
        return None
    return vault.seal(entry.key.kid, private)
