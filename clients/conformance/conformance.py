"""The server as tests use it: in their own process, or through the control API."""

import threading
from collections.abc import Mapping
from typing import Self

from clients.conformance import control, resource
from clients.conformance.authority import Authority
from clients.conformance.clock import Clock
from clients.conformance.configuration import Configuration
from clients.conformance.faults import Fault, Target
from clients.conformance.gate import Gate
from clients.conformance.listener import Listener
from clients.conformance.messages import Answer, Request
from clients.conformance.state import State


class Conformance:
    """A token server on loopback, from here to `close`. Keywords are members of `Configuration`;
    every method may be called from any thread, and by its name under /control. A clock that is
    given is shared, and no `reset` puts it back.
    """

    def __init__(self, port: int = 0, clock: Clock | None = None, **settings: object) -> None:
        rules = Configuration.of(settings)
        self._clock = clock
        self._changing = threading.Lock()
        self._steering = Listener(self._steer)
        self._serving = Listener(self._answer, port)
        self._authority = self._new(rules)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The issuer. It refuses connections while the server is offline."""
        return self._serving.url

    @property
    def control_url(self) -> str:
        """Another origin, which is always there."""
        return f"{self._steering.url}/control"

    def close(self) -> None:
        self._authority.gate.close()
        self._serving.close()
        self._steering.close()

    def reset(self, **settings: object) -> None:
        """Forget everything, and begin again with this configuration, online."""
        rules = Configuration.of(settings)
        with self._changing:
            self._authority.gate.close()
            self._authority = self._new(rules)
            self._serving.accept()

    def configure(self, **settings: object) -> None:
        """Change members; what exists keeps the lifetimes it was issued with."""
        authority = self._authority
        with authority.lock:
            authority.state.rules = authority.state.rules.changed(settings)

    def fault(self, do: str, on: str = "token", **options: object) -> None:
        """Queue a fault; the options are the members of `Fault`."""
        unknown = options.keys() - _OPTIONS
        if unknown:
            raise ValueError(f"no such option: {', '.join(sorted(unknown))}")
        fault = Fault(do, Target(on), **options)  # type: ignore[arg-type]  # a test's own words
        with self._authority.lock:
            self._authority.faults.add(fault)

    def chances(self, odds: Mapping[str, float], on: str = "token", seed: int = 0) -> None:
        """Every request from now on meets each fault with its probability."""
        with self._authority.lock:
            self._authority.faults.set_chances(Target(on), odds, seed)

    def clear_faults(self) -> None:
        with self._authority.lock:
            self._authority.faults.clear()

    def advance_clock(self, seconds: float) -> None:
        self._authority.state.clock.advance(seconds)

    def revoke(self, user: str | None = None, reason: str = "session_ended") -> int:
        """End the families of a user, or all, as an operator would; how many were alive."""
        state = self._authority.state
        with self._authority.lock:
            now = state.clock.now()
            mine = [f for f in state.families if user in {None, f.user} and not f.over(now)]
            for family in mine:
                family.end(reason, now)
                state.ledger.note(now, "operator_revoked", family=family.id, reason=reason)
            return len(mine)

    def expire_access(self) -> None:
        """Refuse every access token issued so far, before its time."""
        with self._authority.lock:
            self._authority.state.access.deny_all()

    def offline(self) -> None:
        """Drop every connection, refuse new ones; the work of requests in flight is still done."""
        with self._changing:
            self._serving.refuse()

    def online(self) -> None:
        with self._changing:
            self._serving.accept()

    def restart(self) -> None:
        """Offline and online again: the state stays, connections do not."""
        with self._changing:
            self._serving.refuse()
            self._serving.accept()

    def await_held(self, count: int = 1, timeout: float = 10.0) -> bool:
        """Wait until that many requests meet the fault `hold`; False if they never did."""
        return self._authority.gate.await_held(count, timeout)

    def release(self) -> None:
        """Let go every request that is held."""
        self._authority.gate.release()

    def log(self) -> dict[str, object]:
        """`counts`, `keys` by how many tokens each came with, `families`, `events`."""
        authority = self._authority
        with authority.lock:
            state = authority.state
            now = state.clock.now()
            return state.ledger.summary(state.families, now, state.rules.access)

    def _new(self, rules: Configuration) -> Authority:
        clock = self._clock or Clock()
        return Authority(State(self.url, self._steering.url, clock, rules), Gate())

    def _answer(self, request: Request) -> Answer:
        return self._authority.answer(request)

    def _steer(self, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return control.open_to_pages(Answer(204))
        if request.path == "/elsewhere":
            with self._authority.lock:
                return control.open_to_pages(resource.elsewhere(self._authority.state, request))
        operations = {name: getattr(self, name) for name in OPERATIONS}
        return control.open_to_pages(control.respond(operations, request))


OPERATIONS = (
    "reset",
    "configure",
    "fault",
    "chances",
    "clear_faults",
    "advance_clock",
    "revoke",
    "expire_access",
    "offline",
    "online",
    "restart",
    "await_held",
    "release",
    "log",
)
_OPTIONS = frozenset(Fault.__annotations__) - {"do", "on", "seen"}
