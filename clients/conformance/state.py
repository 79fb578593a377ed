"""Everything that one server remembers."""

from dataclasses import dataclass, field

from clients.conformance.access import AccessTokens
from clients.conformance.clock import Clock
from clients.conformance.configuration import Configuration
from clients.conformance.families import Families
from clients.conformance.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Code:
    user: str
    client_id: str
    scope: str
    redirect_uri: str
    challenge: str


@dataclass(slots=True)
class Device:
    user: str
    client_id: str
    scope: str
    polls_left: int


@dataclass(slots=True)
class State:
    """One thread at a time is inside. `elsewhere` is another origin, of the same machine."""

    issuer: str
    elsewhere: str
    clock: Clock
    rules: Configuration
    access: AccessTokens = field(init=False)
    families: Families = field(default_factory=Families)
    ledger: Ledger = field(default_factory=Ledger)
    codes: dict[str, Code] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.access = AccessTokens(self.issuer)
