"""Revocation against a stream of refreshes: once it is answered, nothing that starts later works."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from tests.flows.caller import Account, Caller
from tests.flows.enrolment import enrol
from tests.races.crowd import HUNG
from tests.servers import wait_until

VICTIMS = 4
BATCHES = 6


@dataclass
class Victim:
    """A session that is refreshed until it is refused; when each success began."""

    account: Account
    begun: list[float] = field(default_factory=list)
    reason: str | None = None

    def __post_init__(self) -> None:
        self.caller = Caller(self.account)
        self.tokens = [self.caller.sign_in()["refresh_token"]]
        self.thread = threading.Thread(target=self.refresh_until_refused, daemon=True)
        self.thread.start()

    def refresh_until_refused(self) -> None:
        while self.reason is None:
            began = time.monotonic()
            answer = self.caller.refresh(self.tokens[-1])
            if answer.status == 200:
                self.begun.append(began)
                self.tokens.append(answer.body["refresh_token"])
            else:
                self.reason = answer.body.get("reason", str(answer))
        self.caller.close()


@pytest.mark.clause("rfc7009-2.1-07", "rfc7009-2.2-01", "rfc7662-4-04")
def test_after_a_revocation_no_refresh_that_starts_later_succeeds(server):
    account = enrol(server)
    owner, other = Caller(account), Caller(account)
    for batch in range(BATCHES):
        victims = [Victim(account) for _ in range(VICTIMS)]
        for victim in victims:
            wait_until(
                lambda one=victim, least=batch: len(one.begun) > least, "refreshes to interrupt"
            )
            known = victim.tokens[batch]  # of any generation
            assert owner.revoke(known).status == 200
            revoked = time.monotonic()
            assert not other.is_active(known)
            assert not other.is_active(victim.tokens[-1])
            assert other.refresh(victim.tokens[-1]).body["reason"] == "session_ended"
            victim.thread.join(HUNG)
            assert victim.reason == "session_ended"
            assert all(began < revoked for began in victim.begun)
            assert not owner.is_active(victim.tokens[-1])
    owner.close()
    other.close()
