"""The dossier of a reuse: what is known of the two who held one token.

One of them is the owner and the other a thief; the server cannot tell which. Whoever knows where
the owner was can.
"""

from dataclasses import dataclass

from app.core.devices import Device
from app.core.sessions import Session, whole_seconds


@dataclass(frozen=True, slots=True)
class Side:
    """`generation` is that of the token presented, `at` when, in UTC milliseconds."""

    generation: int
    at: int
    device: Device

    def members(self) -> dict[str, object]:
        return {
            "generation": self.generation,
            "at": whole_seconds(self.at),
            "ip": self.device.address,
            "user_agent": self.device.user_agent,
        }


@dataclass(frozen=True, slots=True)
class Dossier:
    """`rotated` presented the token before the current one, `replayed` a superseded one."""

    rotated: Side
    replayed: Side

    def members(self) -> dict[str, object]:
        """For JSON: times are UTC epoch seconds."""
        return {"rotated": self.rotated.members(), "replayed": self.replayed.members()}


def dossier(session: Session, generation: int, now: int, device: Device) -> Dossier:
    """`generation` and `device` are those of the request that was found out."""
    last = Side(session.generation - 1, session.rotated_at, session.device)
    return Dossier(rotated=last, replayed=Side(generation, now, device))
