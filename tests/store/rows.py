"""A row of `sessions`, to be stored as it is or with changes."""

from app.core.binding import Binding
from app.core.sessions import Channel

SID = bytes(range(16))
OTHER = bytes(range(16, 32))
NOW = 1_800_000_000_000


def values(sid=SID, user="u1", **changes):
    return {
        "sid": sid,
        "public_id": sid.hex(),
        "salt": b"s" * 32,
        "secret_id": 1,
        "gen": 1,
        "rotated_at": NOW,
        "idle_ttl": 495,
        "idle_expires_at": NOW + 100,
        "expires_at": NOW + 1_000,
        "purge_at": NOW + 9_000,
        "client_id": "c1",
        "user_id": user,
        "user_epoch": 0,
        "scope": "read",
        "resource": "",
        "binding": Binding.NONE,
        "channel": Channel.BODY,
        "auth_time": NOW,
        "remember_me": False,
        "created_at": NOW,
        "last_seen_at": NOW,
        **changes,
    }
