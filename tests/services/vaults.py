"""A key-encryption key file, and sites on either keystore."""

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any


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
