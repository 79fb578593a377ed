"""For Flask: `install` once, `@protect(scope="…")` on views; the token is in `g.access_token`."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Flask, Response, current_app, g, jsonify, request

from perennial.verify import challenge
from perennial.verify.challenge import InvalidRequest, NoCredentials
from perennial.verify.errors import VerifyError
from perennial.verify.verifier import Verifier

EXTENSION = "perennial.verify"
P = ParamSpec("P")
R = TypeVar("R")


def install(app: Flask, verifier: Verifier) -> None:
    """Views of this application are protected by this verifier."""
    app.extensions[EXTENSION] = verifier


def protect(
    scope: str | None = None, *, sensitive: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R | Response]]:
    """Let a request through whose token has all of `scope`; answer others as RFC 6750 says.

    `sensitive` asks the issuer whether the token still counts; the verifier needs `introspection`.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R | Response]:
        @wraps(view)
        def protected(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            verifier: Verifier = current_app.extensions[EXTENSION]
            try:
                token = challenge.bearer(request.headers.getlist("Authorization"))
                g.access_token = verifier.verify(token, scope=scope, sensitive=sensitive)
            except (VerifyError, NoCredentials, InvalidRequest) as refusal:
                return _refused(challenge.answer(refusal))
            answer: R = current_app.ensure_sync(view)(*args, **kwargs)
            return answer

        return protected

    return decorate


def _refused(answer: challenge.Answer) -> Response:
    refused = jsonify({"error": answer.error} if answer.error else {})
    refused.status_code = answer.status
    refused.headers.update(answer.headers)
    return refused
