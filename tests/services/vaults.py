"""Hosts on either keystore, and what is kept of keys where."""

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flask_migrate

from app.core import keyring
from app.core.keyring import Key
from app.store import signing_keys
from tests.site import Site


def write_keks(path: Path, keys: Sequence[bytes]) -> Path:
    path.write_bytes(b"\n".join(base64.b64encode(key) for key in keys) + b"\n")
    path.chmod(0o600)
    return path


def keystore_settings(kind: str, folder: Path) -> dict[str, Any]:
    """Settings that choose a keystore; makes what it needs."""
    if kind == "directory":
        return {"keystore": "directory"}
    path = folder / "kek"
    if not path.exists():
        write_keks(path, [secrets.token_bytes(32)])
    return {"keystore": "database", "kek_file": path}


class Hosts:
    """Hosts of one database and one keystore, empty at first."""

    def __init__(self, url: str, folder: Path, kind: str) -> None:
        self._made: list[Site] = []
        self._how = (url, folder / "shared-keys")
        # Made a hundred times quicker than an RSA key, and many are made here.
        self._settings: dict[str, Any] = {"signing_alg": "ES256", **keystore_settings(kind, folder)}

    def another(self, **settings: Any) -> Site:
        site = Site(*self._how, **{**self._settings, **settings})
        if self._made:
            site.clock.now = self._made[0].clock.now
        else:
            with site.app.app_context():
                flask_migrate.upgrade()
        self._made.append(site)
        return site

    def started(self, **settings: Any) -> Site:
        site = self.another(**settings)
        site.run.ceremony().establish(site.clock())
        return site

    def close(self) -> None:
        for site in self._made:
            site.close()


def keys(site: Site) -> list[Key]:
    with site.run.rotations.connect() as connection:
        return [entry.key for entry in signing_keys.everything(connection)]


def states(site: Site) -> list[str]:
    known = keys(site)
    return sorted(keyring.state(key, known, site.clock()).value for key in known)


def signing(site: Site) -> str:
    site.run.keystore.forget()
    return site.run.signer().kid


def private_files(site: Site) -> set[str]:
    return {path.stem for path in site.run.settings.keys_dir.glob("*.pem")}


def sealed(site: Site) -> set[str]:
    with site.run.rotations.connect() as connection:
        return {e.key.kid for e in signing_keys.everything(connection) if e.sealed is not None}
