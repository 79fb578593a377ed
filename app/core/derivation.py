"""Life cycle of the secrets that refresh tokens are derived from. Times are UTC milliseconds.

```
known ──────► active ──────► known ──────► retired
on its way    new tokens     older tokens  its tokens
to all hosts  come from it   are verified  are unknown
```

Ids rise and are never used again. A host derives with the newest secret that it holds and that is
not beyond the active one, so that one which the roll-out has not reached goes on as before (I15).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.core.refresh_token import Ring, check_value

LAST_ID = 255
"""An id is one byte of every token."""

SETTLED = 5_000
"""After so long every running server works with what the database says."""

LONGEST_WAIT = 60_000
"""How far ahead another host's clock may have dated what it did."""


class SecretState(StrEnum):
    KNOWN = "known"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class SecretId:
    """What the database knows of a secret; never the secret."""

    id: int
    state: SecretState
    check_value: bytes | None = None
    created_at: int = 0
    activated_at: int | None = None

    def fits(self, secret: bytes) -> bool:
        """Whether this is the secret that the id was given to."""
        return self.check_value is None or self.check_value == check_value(secret)


def active(known: Sequence[SecretId]) -> SecretId | None:
    """The one that new tokens come from: of those called active the newest."""
    return max(_in(SecretState.ACTIVE, known), key=lambda entry: entry.id, default=None)


def waiting(known: Sequence[SecretId]) -> list[SecretId]:
    """On its way to the hosts: known, and newer than the active one."""
    current = active(known)
    floor = 0 if current is None else current.id
    return [entry for entry in _in(SecretState.KNOWN, known) if entry.id > floor]


def in_use(known: Sequence[SecretId]) -> list[SecretId]:
    return [entry for entry in known if entry.state is not SecretState.RETIRED]


def usable(known: Sequence[SecretId], files: Mapping[int, bytes]) -> dict[int, bytes]:
    """The secrets to work with. A file that is not what the database gave the id to counts as not
    here: its tokens are asked to come again instead of being refused for good.
    """
    return {
        entry.id: files[entry.id]
        for entry in in_use(known)
        if entry.id in files and entry.fits(files[entry.id])
    }


def deriving(known: Sequence[SecretId], held: Collection[int]) -> int | None:
    """The id that new tokens are derived with where these are held; None when nothing can be."""
    current = active(known)
    return None if current is None else max((i for i in held if i <= current.id), default=None)


def ring(known: Sequence[SecretId], files: Mapping[int, bytes]) -> Ring | None:
    """What a host with these files verifies and derives with; None when it cannot derive."""
    held = usable(known, files)
    chosen = deriving(known, held)
    if chosen is None:
        return None
    return Ring(
        secrets=MappingProxyType(held),
        active=chosen,
        awaited=frozenset(entry.id for entry in in_use(known)),
        newest=newest(known),
    )


def newest(known: Sequence[SecretId]) -> int:
    """The largest id that was ever given away."""
    return max((entry.id for entry in known), default=0)


def unlisted(known: Sequence[SecretId], files: Mapping[int, bytes]) -> list[int]:
    """Files newer than all that the database knows: somebody was interrupted between file and row,
    or the database was restored.
    """
    return sorted(id_ for id_ in files if newest(known) < id_ <= LAST_ID)


def superseded_at(entry: SecretId, known: Sequence[SecretId]) -> int | None:
    """When a newer one became active; None when none has, as far as is known."""
    later = [other.activated_at for other in known if other.id > entry.id]
    return min((moment for moment in later if moment is not None), default=None)


def acted_since(known: Sequence[SecretId], moment: int, now: int) -> bool:
    """Whether somebody made or activated a secret between the moment a command was called and now.

    What lies further ahead was dated by a clock that was wrong.
    """
    acts = [act for entry in known for act in (entry.created_at, entry.activated_at)]
    return any(act is not None and moment <= act <= now + LONGEST_WAIT for act in acts)


def _in(state: SecretState, known: Sequence[SecretId]) -> list[SecretId]:
    return [entry for entry in known if entry.state is state]
