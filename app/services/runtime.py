"""The bundle of everything built at start-up, and the one way to it."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, current_app
from sqlalchemy import Engine

from app.core import keyring
from app.core.clients import Client, Recovery
from app.core.refresh_token import Ring
from app.core.rotation import Policy
from app.core.sessions import SECOND, LifetimePolicy
from app.services.key_ceremony import Ceremony
from app.services.keystore import Keystore
from app.services.passwords import Passwords
from app.services.ratelimit import FailureCounter
from app.services.registry import Registry
from app.services.signer import Signer
from app.services.status_lists import StatusLists
from app.services.telemetry import Telemetry
from app.settings import Settings

EXTENSION = "perennial"


@dataclass(frozen=True, slots=True)
class Runtime:
    """`now` gives UTC milliseconds, and so does `system_now`, which no test clock moves;
    `transactions` and `rotations` are explained in store.base.
    """

    settings: Settings
    now: Callable[[], int]
    system_now: Callable[[], int]
    transactions: Engine
    rotations: Engine
    keystore: Keystore
    registry: Registry
    status_lists: StatusLists
    passwords: Passwords
    failures: FailureCounter
    client_failures: FailureCounter
    telemetry: Telemetry

    def signer(self) -> Signer:
        return self.keystore.signer(self.now())

    def ring(self) -> Ring:
        return self.keystore.ring(self.now())

    def ceremony(self) -> Ceremony:
        store = self.keystore
        return Ceremony(store.directory, store.vault, self.transactions, self.key_policy, self.now)

    @property
    def key_policy(self) -> keyring.Policy:
        settings = self.settings
        return keyring.Policy(
            settings.signing_alg,
            settings.key_rotation_interval * SECOND,
            settings.jwks_max_age * SECOND,
            settings.access_token_ttl * SECOND,
        )

    @property
    def access_ttl(self) -> int:
        """Milliseconds."""
        return self.settings.access_token_ttl * SECOND

    @property
    def lifetimes(self) -> LifetimePolicy:
        settings = self.settings
        return LifetimePolicy(
            idle=settings.refresh_idle_ttl * SECOND,
            absolute=settings.session_ttl * SECOND,
            browser=settings.browser_session_ttl * SECOND,
            remembered=settings.remember_me_ttl * SECOND,
        )

    def policy(self, client: Client) -> Policy:
        """How this client's refresh tokens are judged."""
        until_used = client.recovery is Recovery.UNTIL_USED and not client.public
        window = self.settings.reuse_grace * SECOND
        return Policy(window, client.min_interval, until_used=until_used)


def runtime(app: Flask | None = None) -> Runtime:
    """The runtime of this application: for the protocol layer, endpoints and commands only."""
    found = (app or current_app).extensions[EXTENSION]
    assert isinstance(found, Runtime)
    return found
