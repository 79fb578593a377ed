"""One server without a connection: a request in, an answer out, and the faults between."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from clients.conformance import endpoints, grants, resource
from clients.conformance.clock import http_date
from clients.conformance.faults import KINDS, Fault, Faults, Target
from clients.conformance.gate import Gate
from clients.conformance.messages import Answer, Refusal, Request, html, json_answer, parameters
from clients.conformance.state import State

METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP, Idempotency-Key, "
    "X-Requested-With",
    "Access-Control-Max-Age": "0",
}
_EXPOSED = "Date, Retry-After, WWW-Authenticate, DPoP-Nonce"


class Authority:
    """Safe among threads: `lock` guards state and faults, and nobody waits inside it."""

    def __init__(self, state: State, gate: Gate) -> None:
        self.state, self.faults, self.gate = state, Faults(), gate
        self.lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return self._finished(Answer(204, _PREFLIGHT))
        target, grant = _target(request.path), _grant(request)
        with self.lock:
            self._count(target, grant)
            fault = self.faults.take(target, grant) if target else None
            if grant == "refresh_token":
                self.state.ledger.arrived()
        try:
            return self._finished(self._with_fault(request, fault) if fault else self._act(request))
        finally:
            with self.lock:
                if grant == "refresh_token":
                    self.state.ledger.left()

    def _with_fault(self, request: Request, fault: Fault) -> Answer:
        now = self.state.clock.now()
        with self.lock:
            self.state.ledger.note(now, "fault", on=fault.on, do=fault.do, commit=fault.commit)
        answer = self._act(request) if fault.commit else None
        if fault.do == "hold":
            self.gate.hold()
        elif fault.ms:
            self.gate.pause(fault.ms / 1000)
        if answer is None:
            answer = self._act(request) if KINDS[fault.do].acts else Answer()
        return fault.damage(answer, self._date())

    def _act(self, request: Request) -> Answer:
        handle = _route(request.path)
        with self.lock:
            try:
                return handle(self.state, request)
            except Refusal as refusal:
                now, error = self.state.clock.now(), refusal.error
                self.state.ledger.note(now, "refusal", path=request.path, error=error)
                return refusal.answer

    def _count(self, target: Target | None, grant: str | None) -> None:
        counts = self.state.ledger.counts
        counts["token_requests"] += target is Target.TOKEN
        counts["refresh_requests"] += grant == "refresh_token"

    def _date(self) -> float:
        """What the server believes the time to be."""
        return self.state.clock.now() + self.state.rules.date_skew

    def _finished(self, answer: Answer) -> Answer:
        date = http_date(self._date())
        cors = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
        return replace(answer, headers={"Date": date, **cors, **answer.headers})


def _portal(_state: State, _request: Request) -> Answer:
    return html("Welcome to the guest network")


def _unknown(_state: State, _request: Request) -> Answer:
    return json_answer({"error": "not_found"}, 404)


_ROUTES: Mapping[str, Callable[[State, Request], Answer]] = {
    **dict.fromkeys(METADATA, endpoints.metadata),
    "/authorize": endpoints.authorize,
    "/device_authorization": endpoints.device_authorization,
    "/token": grants.token,
    "/revoke": endpoints.revoke,
    "/portal": _portal,
}


def _route(path: str) -> Callable[[State, Request], Answer]:
    if path == "/api" or path.startswith("/api/"):
        return resource.api
    return _ROUTES.get(path, _unknown)


def _target(path: str) -> Target | None:
    if path == "/api" or path.startswith("/api/"):
        return Target.API
    if path in METADATA:
        return Target.METADATA
    return {"/token": Target.TOKEN, "/revoke": Target.REVOKE}.get(path)


def _grant(request: Request) -> str | None:
    if request.path != "/token":
        return None
    try:
        return parameters(request.body.decode("utf-8", "replace")).get("grant_type")
    except Refusal:
        return None
