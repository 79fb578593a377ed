"""Resource indicators (RFC 8707)."""

import pytest

from app.core import resources


@pytest.mark.parametrize(
    ("text", "absolute"),
    [
        ("https://api.example.com", True),
        ("https://api.example.com/v1?tenant=a", True),
        ("urn:example:orders", True),
        ("", False),
        ("api.example.com", False),
        ("/orders", False),
        ("https://", False),
        ("https://api.example.com#part", False),
        ("https://api.example.com/a b", False),
        ("https://exämple.com", False),
        ("https://[::1", False),
        ("https:\x00//a", False),
    ],
)
@pytest.mark.clause("rfc8707-2-01", "rfc8707-2-02")
def test_a_resource_is_an_absolute_uri_without_fragment(text, absolute):
    assert resources.is_absolute_uri(text) is absolute


@pytest.mark.clause("rfc8707-2.2-01")
def test_a_request_gets_the_part_it_names():
    granted = ("https://a", "https://b")
    assert resources.narrow((), granted) == granted
    assert resources.narrow(("https://b", "https://b"), granted) == ("https://b",)
    assert resources.narrow(("https://c",), granted) is None
