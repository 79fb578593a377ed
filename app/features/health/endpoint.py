"""GET /healthz and /readyz. The wire learns which check failed; the log says why."""

import json

from flask import Blueprint, Response

from app.core.events import NotReady
from app.services.readiness import checks
from app.services.runtime import runtime

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return _answer(200, {"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """The process can do its work: send it traffic."""
    run = runtime()
    results = checks(run)
    failed = [check for check in results if not check.ok]
    run.telemetry.publish([NotReady(check.name, check.why) for check in failed])
    body = {check.name: "ok" if check.ok else "failed" for check in results}
    return _answer(503 if failed else 200, {"status": "failed" if failed else "ok", **body})


def _answer(status: int, body: dict[str, str]) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(json.dumps(body), status, headers, content_type="application/json")
