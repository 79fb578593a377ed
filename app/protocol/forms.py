"""Strict parameters: from the body only, each once, well-formed UTF-8 (RFC 6749 §3.2, App. A, B)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge

LARGEST_BODY = 64 * 1024
MOST_PARAMETERS = 100
REPEATABLE = frozenset({"resource"})

_FORM = "application/x-www-form-urlencoded"
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
# UNICODECHARNOCRLF of RFC 6749 Appendix A: no controls but the tab, no surrogates, no U+FFFE/FFFF.
_TEXT = re.compile("[\t\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
_IDEMPOTENCY_KEY = re.compile(r'"?([\x21\x23-\x2B\x2D-\x5B\x5D-\x7E]{16,128})"?')


class MalformedError(InvalidRequestError):
    """`why` is for the operator; the wire says that the request is malformed."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """The parameters of a request. An empty value counts as absent (RFC 6749 §3.2).

    What is `repeated` has no value: there is only one thing to do with such a request, refuse it.
    """

    values: Mapping[str, str]
    resources: tuple[str, ...] = field(default=())
    repeated: frozenset[str] = frozenset()

    def required(self, name: str) -> str:
        value = self.values.get(name)
        if value is None:
            raise MalformedError(f"missing_{name}")
        return value


def read(request: Request) -> Form:
    """Read the form of a POST request, or raise `MalformedError`."""
    return _each_once(read_all(request))


def read_all(request: Request) -> Form:
    """The same, for whoever first finds out where to say that a parameter came twice."""
    if request.query_string:
        raise MalformedError("query_string")
    encoded = body(request)
    if (encoded or request.content_type is not None) and not _is_form(request):
        raise MalformedError("content_type")
    return parse_all(encoded)


def is_text(value: str) -> bool:
    return _TEXT.fullmatch(value) is not None


def body(request: Request) -> bytes:
    """The whole body: one that was cut off or never ends is not acted on in part."""
    try:
        read = request.get_data(cache=False)
        if request.content_length is not None:
            complete = len(read) == request.content_length
        else:
            complete = not request.environ["wsgi.input"].read(1)
    except (OSError, ParseException) as error:  # a broken chunk, a connection that was lost
        raise MalformedError("unreadable_body") from error
    if complete:
        return read
    if request.content_length is None:
        raise RequestEntityTooLarge
    raise MalformedError("incomplete_body")


def _is_form(request: Request) -> bool:
    if request.environ.get("CONTENT_TYPE") == _FORM:  # nearly always, and far cheaper to see
        return True
    charset = request.mimetype_params.get("charset", "utf-8")
    return request.mimetype == _FORM and charset.lower() == "utf-8"


def parse(encoded: bytes) -> Form:
    return _each_once(parse_all(encoded))


def _each_once(form: Form) -> Form:
    if form.repeated:
        raise MalformedError("repeated_parameter")
    return form


def parse_all(encoded: bytes) -> Form:
    try:
        text = encoded.decode("utf-8")
        if _BAD_ESCAPE.search(text):
            raise MalformedError("percent_escape")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except UnicodeDecodeError as error:
        raise MalformedError("not_utf8") from error
    except ValueError as error:
        raise MalformedError("too_many_parameters") from error
    return _collect(pairs)


def _collect(pairs: list[tuple[str, str]]) -> Form:
    values: dict[str, str] = {}
    resources: list[str] = []
    repeated: set[str] = set()
    for name, value in pairs:
        if not is_text(value):
            raise MalformedError("control_character")
        if name in REPEATABLE:
            resources.append(value)
        elif name in values:
            repeated.add(name)
        else:
            values[name] = value
    present = {name: value for name, value in values.items() if value and name not in repeated}
    named = tuple(uri for uri in resources if uri)
    return Form(MappingProxyType(present), named, frozenset(repeated))


def idempotency_key(header: str | None) -> str | None:
    """The key of an `Idempotency-Key` header, quoted or bare; raises when it is neither."""
    if header is None:
        return None
    key = _IDEMPOTENCY_KEY.fullmatch(header.strip())
    quotes = header.count('"')
    if key is None or quotes not in {0, 2}:
        raise MalformedError("idempotency_key")
    return key[1]
