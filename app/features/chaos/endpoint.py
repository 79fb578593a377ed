"""/dev/clock and /dev/chaos, and where the middleware joins the application."""

import json
from collections.abc import Mapping

from flask import Blueprint, Flask, Response, current_app
from flask.blueprints import BlueprintSetupState

from app.core.clients import NOBODY
from app.core.events import ClockMoved
from app.core.outcomes import ErrorCode, Refused
from app.features.chaos.use_case import INSTEAD, Chaos, malformed
from app.protocol import clients
from app.protocol.grant import current_request
from app.protocol.responses import NO_STORE, refusal, response
from app.services.faults import HEADER_FORM, PLAN_FORM, Plan, Plans, from_members
from app.services.movable_clock import LARGEST, MovableClock
from app.services.runtime import runtime

EXTENSION = "perennial.chaos"
CLOCK_FORM = (
    'a JSON object (application/json): {"advance": seconds} with seconds of at least 0 and the '
    f'clock at most {LARGEST // 1000} ahead, or {{"reset": true}}'
)

blueprint = Blueprint("chaos", __name__)


@blueprint.record_once
def _surround(state: BlueprintSetupState) -> None:
    """Made before the workers are forked, so that all of them see the same plans."""
    app = state.app
    assert isinstance(app, Flask)
    plans = app.extensions[EXTENSION] = Plans()
    app.wsgi_app = Chaos(app.wsgi_app, runtime(app), plans)  # type: ignore[method-assign]


@blueprint.before_app_request
def _instead() -> Response | None:
    """Refuse in the server's own words: with request id, access line and CORS headers."""
    refused = current_request().environ.get(INSTEAD)
    if refused is None:
        return None
    return _refuse(refused, HEADER_FORM if refused.error is ErrorCode.INVALID_REQUEST else None)


@blueprint.get("/dev/clock")
def clock() -> Response:
    return _answer(_time(_clock()))


@blueprint.post("/dev/clock")
def move_clock() -> Response:
    moved = _clock()
    match _members():
        case {"reset": True, **others} if not others:
            moved.reset()
        case {"advance": int() | float() as seconds, **others} if (
            not others
            and not isinstance(seconds, bool)
            and 0 <= seconds * 1000 <= LARGEST
            and moved.advance(round(seconds * 1000))
        ):
            pass
        case _:
            return _refuse(malformed("test_clock"), CLOCK_FORM)
    runtime().telemetry.publish([ClockMoved(moved.offset / 1000)])
    return _answer(_time(moved))


@blueprint.get("/dev/chaos")
def plans() -> Response:
    return _answer({"faults": [plan.members() for plan in _plans().everything()]})


@blueprint.post("/dev/chaos")
def plan() -> Response:
    wanted = _wanted()
    if wanted is None or not _plans().put(wanted):
        return _refuse(malformed("chaos_plan"), PLAN_FORM)
    return _answer(wanted.members())


@blueprint.delete("/dev/chaos")
def forget() -> Response:
    _plans().clear()
    return Response(status=204)


def _wanted() -> Plan | None:
    """None also for a client that is not registered: a misspelt id would do nothing, unnoticed."""
    run = runtime()
    try:
        wanted = from_members(_members())
    except ValueError:
        return None
    known = clients.find(run, wanted.client_id, run.now()) is not NOBODY
    return wanted if known else None


def _clock() -> MovableClock:
    found = runtime().now
    assert isinstance(found, MovableClock)
    return found


def _plans() -> Plans:
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Plans)
    return found


def _time(clock: MovableClock) -> Mapping[str, object]:
    whole, rest = divmod(clock.offset, 1000)
    return {"now": clock() // 1000, "offset": clock.offset / 1000 if rest else whole}


def _members() -> Mapping[str, object]:
    """The JSON object in the body, empty when there is none.

    Only with its own content type: a page of another origin cannot send that unasked.
    """
    try:
        found = current_request().get_json(silent=True)
    except RecursionError:
        found = None
    return found if isinstance(found, dict) else {}


def _refuse(refused: Refused, expected: str | None) -> Response:
    run = runtime()
    run.telemetry.publish(refused.events)
    status, body, headers = refusal(refused, run.settings.require_issuer())
    if expected is not None:
        body["expected"] = expected
    return response((status, body, headers))


def _answer(members: Mapping[str, object]) -> Response:
    return Response(json.dumps(members), 200, NO_STORE, content_type="application/json")
