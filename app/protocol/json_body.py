"""Strict JSON (RFC 8259): one object, each member once and of its type, well-formed UTF-8."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import Request

from app.protocol import forms
from app.protocol.forms import MalformedError

MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True, repr=False)
class JsonBody:
    """The members of the object. An empty text counts as absent, as it does in a form."""

    members: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        value = self.members.get(name, "")
        if not isinstance(value, str):
            raise MalformedError(f"type_of_{name}")
        if not forms.is_text(value):
            raise MalformedError("control_character")
        return value or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise MalformedError(f"missing_{name}")
        return value

    def flag(self, name: str) -> bool:
        value = self.members.get(name, False)
        if not isinstance(value, bool):
            raise MalformedError(f"type_of_{name}")
        return value


def read(request: Request) -> JsonBody:
    """Read the body of a request, or raise `MalformedError`. No body at all is an empty object."""
    if request.query_string:
        raise MalformedError("query_string")
    body = forms.body(request)
    if not body and request.content_type is None:
        return JsonBody({})
    if not _is_json(request):
        raise MalformedError("content_type")
    return JsonBody(_parse(body))


def _is_json(request: Request) -> bool:
    charset = request.mimetype_params.get("charset", "utf-8")
    return request.mimetype == MEDIA_TYPE and charset.lower() == "utf-8"


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(
            body.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_number
        )
    except UnicodeDecodeError as error:
        raise MalformedError("not_utf8") from error
    except (ValueError, RecursionError) as error:
        raise MalformedError("not_json") from error
    if not isinstance(parsed, dict):
        raise MalformedError("no_object")
    return parsed


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("repeated_member")
    return members


def _no_number(name: str) -> NoReturn:
    """NaN and the infinities are no JSON, whatever Python thinks."""
    raise ValueError(name)
