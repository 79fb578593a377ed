"""Perennial: an OAuth 2.0 authorization server."""

import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from app import pages
from app.core.events import LimiterDegraded
from app.features import installed
from app.protocol import discovery, http, server
from app.protocol.forms import LARGEST_BODY
from app.services.database_vault import DatabaseVault
from app.services.directory_vault import DirectoryVault
from app.services.key_directory import KeyDirectory
from app.services.keystore import Keystore
from app.services.passwords import Passwords
from app.services.ratelimit import open_counter
from app.services.registry import Registry
from app.services.runtime import EXTENSION, Runtime
from app.services.status_lists import StatusLists
from app.services.telemetry import Telemetry
from app.services.vault import Vault
from app.settings import Settings
from app.store.base import ROTATIONS, configure, db, engine_config
from app.store.schema import MIGRATIONS

MOST_FAILURES = 100
"""The largest number of failures that any limit of a feature lets pass."""


def system_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Application(Flask):
    """Flask without no coroutine views, so none is looked for."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings, now: Callable[[], int] = system_clock) -> Flask:
    """The only place where the parts meet. Opens no connection and reads no key."""
    app = Application("perennial", static_folder=None)
    app.config.update(engine_config(settings.sqlalchemy_url), MAX_CONTENT_LENGTH=LARGEST_BODY)
    app.url_map.merge_slashes = False  # a redirect would carry credentials along
    db.init_app(app)
    Migrate(app, db, directory=str(MIGRATIONS))
    features = installed(settings.env)
    run = _runtime(app, settings, now)
    app.extensions[EXTENSION] = run
    http.surround(app, run)
    app.register_blueprint(server.mount(features))
    app.register_blueprint(discovery.blueprint(run, features))
    app.register_blueprint(pages.blueprint)
    for feature in features:
        for blueprint in feature.blueprints:
            app.register_blueprint(blueprint)
        for command in feature.commands:
            app.cli.add_command(command)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app


def _runtime(app: Flask, settings: Settings, now: Callable[[], int]) -> Runtime:
    telemetry = Telemetry(settings.log_format)
    with app.app_context():
        transactions, rotations = db.engine, db.engines[ROTATIONS]
    configure(transactions, rotations)

    def degraded(why: str) -> None:
        telemetry.publish([LimiterDegraded(why)])

    directory = KeyDirectory(settings.keys_dir.absolute(), settings.keys_passphrase())
    return Runtime(
        settings=settings,
        now=_movable(now) if settings.env == "development" else now,
        system_now=now,
        transactions=transactions,
        rotations=rotations,
        keystore=Keystore(directory, _vault(settings, directory), rotations, telemetry.publish),
        registry=Registry(rotations),
        status_lists=StatusLists(rotations),
        passwords=Passwords(),
        failures=open_counter(settings.redis_url, degraded, largest=MOST_FAILURES),
        # Apart from the other, so that strangers cannot push sign-ins out of memory.
        client_failures=open_counter(settings.redis_url, degraded, largest=MOST_FAILURES),
        telemetry=telemetry,
    )


def _vault(settings: Settings, directory: KeyDirectory) -> Vault:
    if settings.keystore == "database":
        return DatabaseVault(settings.key_encryption_keys)
    return DirectoryVault(directory)


def _movable(now: Callable[[], int]) -> Callable[[], int]:
    from app.services.movable_clock import MovableClock  # noqa: PLC0415  # never in production

    return MovableClock(now)
