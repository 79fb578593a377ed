"""What a database has lost, and what a server says of it."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from app import create_app
from app.cli import db
from app.services.runtime import runtime
from app.settings import load
from tests.console import Console
from tests.flows.caller import Account, Answer, Caller
from tests.flows.enrolment import enrol
from tests.flows.loops import Refresher
from tests.live import LiveServer
from tests.servers import wait_until

JSON_LINES = {"PERENNIAL_LOG_FORMAT": "json"}


def healed(server: LiveServer) -> Counter[str]:
    """How often each session was, by its id."""
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    return Counter(line["session"] for line in lines if line["event"] == "refresh_healed")


def ahead(holders: Iterable[Refresher], kept: dict[str, int]) -> dict[str, int]:
    """Sessions whose holder has a newer token than the database knows, by how many rotations."""
    lost = {holder.session: holder.generation - kept[holder.session] for holder in holders}
    assert min(lost.values()) >= 0, "a database is never ahead of an answer"
    return {session: count for session, count in lost.items() if count}


Reply = TypeVar("Reply")


@dataclass
class Ended:
    """A session that somebody ends, and what its tokens are refused for then."""

    account: Account
    token: str
    reason: str

    def is_active(self) -> bool:
        return self._ask(lambda caller: caller.is_active(self.token))

    def refresh(self) -> Answer:
        return self._ask(lambda caller: caller.refresh(self.token))

    def _ask(self, question: Callable[[Caller], Reply]) -> Reply:
        caller = Caller(self.account)
        try:
            return question(caller)
        finally:
            caller.close()


def answered(ask: Callable[[], Answer]) -> Answer:
    """The answer to a call that is repeated as long as it is asked to come again."""
    return wait_until(lambda: (answer := ask()).status != 503 and answer, "an answer")


@contextlib.contextmanager
def console(server: LiveServer) -> Iterator[Console]:
    """An operator's terminal on the data of a live server, without the start-up of a process."""
    app = create_app(load(server.env))
    app.cli.add_command(db)
    try:
        yield Console(app)
    finally:
        run = runtime(app)
        run.transactions.dispose()
        run.rotations.dispose()


class Endings:
    """Sessions that are about to end: by their client, by a thief's mistake, by an operator."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._account, somebody = enrol(server), enrol(server)
        self._callers = [Caller(self._account), Caller(self._account), Caller(somebody)]
        tokens = [caller.sign_in()["refresh_token"] for caller in self._callers]
        reasons = ("session_ended", "session_reused", "session_ended")
        self.sessions = [
            Ended(caller.account, token, reason)
            for caller, token, reason in zip(self._callers, tokens, reasons, strict=True)
        ]
        self.operator_log = server.directory / "operator.log"

    def happen(self) -> None:
        by_client, by_reuse, by_operator = self.sessions
        caller, thief, _ = self._callers
        assert caller.revoke(by_client.token).status == 200
        stolen = by_reuse.token
        for _ in range(2):
            by_reuse.token = thief.refresh(by_reuse.token).body["refresh_token"]
        assert thief.refresh(stolen).body["reason"] == "session_reused"
        command = ("session", "revoke-all", "--user", by_operator.account.username)
        with console(self._server) as perennial:
            result = perennial(*command)
        assert result.exit_code == 0, result.output
        self.operator_log.write_text(result.stderr)
        for caller in self._callers:
            caller.close()

    def apply_again(self, since: str) -> dict[str, Any]:
        """What `perennial db restored` reports of both logs."""
        with console(self._server) as perennial:
            return perennial.json(*self._command(since))

    def apply_again_in_a_process(self, since: str) -> dict[str, Any]:
        """The same as an operator calls it."""
        done = self._server.cli(*self._command(since), "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _command(self, since: str) -> list[str]:
        logs = (self._server.log, self.operator_log)
        options = [part for log in logs for part in ("--log", str(log))]
        return ["db", "restored", "--since", since, *options]
