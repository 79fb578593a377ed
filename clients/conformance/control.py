"""The control API: one POST with a JSON object for each method that `OPERATIONS` names."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from clients.conformance.messages import Answer, Request, json_answer

Operation = Callable[..., object]


def respond(operations: Mapping[str, Operation], request: Request) -> Answer:
    """400 says what is wrong with the call; GET is enough for what takes no arguments."""
    name = request.path.removeprefix("/control/")
    operation = operations.get(name)
    if operation is None:
        return json_answer({"error": f"no such operation: {name}"}, 404)
    try:
        arguments = json.loads(request.body or b"{}")
        inspect.signature(operation).bind(**arguments)
    except (ValueError, TypeError) as error:
        return json_answer({"error": str(error)}, 400)
    try:
        told = operation(**arguments)
    except ValueError as error:
        return json_answer({"error": str(error)}, 400)
    return json_answer({} if told is None else told)


def open_to_pages(answer: Answer) -> Answer:
    """Test pages of any origin may steer the server, and be led to it."""
    cors = dict.fromkeys(("Access-Control-Allow-Origin", "Access-Control-Allow-Headers"), "*")
    return replace(answer, headers={**answer.headers, **cors})
