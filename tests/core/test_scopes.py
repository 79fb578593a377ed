"""Scope grammar and narrowing (RFC 6749 §3.3)."""

import pytest

from app.core import scopes


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", ()),
        ("read", ("read",)),
        ("read write read", ("read", "write")),
        ("urn:x:!#$[]~", ("urn:x:!#$[]~",)),
        ("read  write", None),
        (" read", None),
        ("read\twrite", None),
        ('re"ad', None),
        ("re\\ad", None),
        ("lesen schreíben", None),
    ],
)
@pytest.mark.clause("rfc6749-A-01")
def test_a_scope_is_tokens_separated_by_single_spaces(text, parsed):
    assert scopes.parse(text) == parsed


@pytest.mark.parametrize(
    ("requested", "granted", "narrowed"),
    [
        (None, "read write", "read write"),
        ("", "read write", "read write"),
        ("write", "read write", "write"),
        ("write read write", "read write", "write read"),
        ("admin", "read write", None),
        ("read", "", None),
        (None, "", ""),
        ("read  write", "read write", None),
    ],
)
def test_a_request_gets_what_it_names_of_what_was_granted(requested, granted, narrowed):
    assert scopes.narrow(requested, granted) == narrowed
