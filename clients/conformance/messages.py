"""Requests and answers without a connection."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl


class Delivery(StrEnum):
    """How much of an answer reaches the client before the connection ends."""

    WHOLE = "whole"  # all of it, and the connection stays
    HALF = "half"
    NOTHING = "nothing"
    RESET = "reset"  # nothing, and an RST in place of a FIN


@dataclass(frozen=True, slots=True)
class Request:
    """Names of headers are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    delivery: Delivery = Delivery.WHOLE


class Refusal(Exception):  # noqa: N818  # an answer, not a mistake of the server
    """An error of RFC 6749 §5.2, raised where it is found."""

    def __init__(self, error: str, description: str, status: int = 400, **members: object) -> None:
        super().__init__(description)
        self.error = error
        self.answer = oauth_error(error, description, status, **members)


def json_answer(members: object, status: int = 200, **headers: str) -> Answer:
    """`Www_Authenticate=` is the header WWW-Authenticate."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Answer(status, {**kind, **named}, json.dumps(members).encode())


def oauth_error(error: str, description: str, status: int = 400, **members: object) -> Answer:
    told = {k: v for k, v in members.items() if v is not None}
    answer = json_answer({"error": error, "error_description": description, **told}, status)
    if status != 401:  # noqa: PLR2004  # RFC 6749 §5.2: this one names a scheme
        return answer
    return Answer(status, {**answer.headers, "WWW-Authenticate": "Basic"}, answer.body)


def html(title: str, status: int = 200) -> Answer:
    page = f"<!doctype html><title>{title}</title><h1>{title}</h1>".encode()
    return Answer(status, {"Content-Type": "text/html; charset=utf-8"}, page)


def parameters(text: str) -> dict[str, str]:
    """Of a query or a form. RFC 6749 §3.1: none may be there twice."""
    pairs = parse_qsl(text, keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refusal("invalid_request", "A parameter is there twice.")
    return found
