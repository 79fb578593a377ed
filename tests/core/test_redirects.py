"""Redirect URIs are compared octet for octet; only the port of a loopback address is free."""

import pytest

from app.core.redirects import LONGEST, is_named_loopback, matches, objection, source, vouches

GOOD = [
    "https://app.example.com/cb",
    "https://app.example.com/cb?a=b&c=d",
    "https://app.example.com:8443/",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:8080/cb",
    "http://[::1]/cb",
    "http://localhost:3000/cb",
    "com.example.app:/oauth2redirect",
    "com.example.app://oauth2redirect/here",
]
BAD = {
    "relative": "/cb",
    "no host": "https:///cb",
    "only a scheme": "https:",
    "no slashes": "https:app.example.com",
    "a fragment": "https://app.example.com/cb#f",
    "an empty fragment": "https://app.example.com/cb#",
    "plain http": "http://app.example.com/cb",
    "http on another loopback": "http://127.0.0.2/cb",
    "a name that begins like loopback": "http://127.0.0.1.evil.example/cb",
    "a user name": "https://app.example.com@evil.example/cb",
    "a user name before loopback": "http://me@127.0.0.1/cb",
    "a wildcard host": "https://*.example.com/cb",
    "a wildcard path": "https://app.example.com/*",
    "a scheme without a dot": "myapp:/cb",
    "a script": "javascript:alert(1)",
    "a dotted scheme in capitals": "Com.Example:/cb",
    "data": "data:text/html,x",
    "a file": "file:///etc/passwd",
    "about": "about:blank",
    "a space": "https://app.example.com/c b",
    "a line break": "https://app.example.com/\ncb",
    "not ASCII": "https://app.ex\u00e4mple.com/cb",
    "a backslash": "https://app.example.com\\@evil.example/cb",
    "a port that is none": "https://app.example.com:x/cb",
    "a port too large": "https://app.example.com:65536/cb",
    "port zero": "https://app.example.com:0/cb",
    "capitals in the host": "https://App.example.com/cb",
    "capitals in the scheme": "HTTPS://app.example.com/cb",
    "a host that ends a directive": "https://app.example.com;script-src/cb",
    "a host that is quoted": "https://'self'/cb",
    "a state of its own": "https://app.example.com/cb?a=b&state=",
    "broken brackets": "https://[::1/cb",
    "too long": "https://app.example.com/" + "a" * LONGEST,
}


@pytest.mark.clause("rfc8252-7-01", "rfc6749-3.1.2-01")
@pytest.mark.parametrize("uri", GOOD)
def test_the_three_kinds_of_redirect_uri_can_be_registered(uri):
    assert objection(uri) is None


@pytest.mark.clause("rfc6749-3.1.2-01", "rfc6749-3.1.2-02", "rfc9700-2.6-05", "rfc8252-8.4-04")
@pytest.mark.clause("rfc6749-3.1.2.1-01", "rfc6749-3.1.2.2-04")
@pytest.mark.parametrize("case", BAD)
def test_a_redirect_uri_that_anybody_could_receive_cannot(case):
    assert objection(BAD[case])


def test_localhost_is_told_from_a_loopback_address():
    assert is_named_loopback("http://localhost:3000/cb")
    assert not is_named_loopback("http://127.0.0.1/cb")
    assert not is_named_loopback("https://localhost/cb")


@pytest.mark.clause("rfc8252-7.3-01", "rfc9700-4.1.3-02")
@pytest.mark.parametrize("port", ["", ":1", ":8080", ":51004", ":65535"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_native_app_may_listen_on_any_port_of_the_address_it_registered(host, port):
    assert matches([f"http://{host}/cb"], f"http://{host}{port}/cb")
    assert matches([f"http://{host}:4444/cb?a=b"], f"http://{host}{port}/cb?a=b")


@pytest.mark.clause("rfc8252-7.3-02", "rfc6749-3.1.2.3-03", "rfc9700-2.1-01", "rfc9700-4.1.3-01")
@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb/"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/CB"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb?a=b"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb#f"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:80/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:80/cb"),
        ("http://127.0.0.1/cb", "http://localhost/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:080/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:\u0668\u0660/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb\n"),
        ("http://127.0.0.1", "http://127.0.0.1:80/"),
        ("http://localhost/cb", "http://localhost:80/cb"),
        ("https://127.0.0.1/cb", "https://127.0.0.1:8443/cb"),
        ("https://app.example.com/cb", "https://app.example.com:443/cb"),
        ("https://app.example.com/cb", "https://app.example.com/cb/"),
        ("https://app.example.com/cb", "https://app.example.com/%63b"),
        ("https://app.example.com/cb", "https://app.example.com/x/../cb"),
        ("https://app.example.com/cb", "https://app.example.com/cb?"),
        ("https://app.example.com/cb", "https://APP.example.com/cb"),
        ("https://app.example.com/cb", "https://app.example.com./cb"),
        ("com.example.app:/cb", "com.example.app:/cb/x"),
    ],
)
def test_nothing_else_may_differ(registered, requested):
    assert matches([registered], registered)
    assert not matches([registered], requested)
    assert not matches([], registered)


def test_only_https_vouches_for_who_receives_an_answer():
    assert [uri for uri in GOOD if vouches(uri)] == GOOD[:3]


def test_a_page_names_the_origin_it_may_send_a_form_to():
    assert source("https://app.example.com:8443/cb?a=b") == "https://app.example.com:8443"
    assert source("http://127.0.0.1:51004/cb") == "http://127.0.0.1:51004"
    assert source("http://[::1]:51004/cb") == "http:", "a policy cannot write this address"
    assert source("com.example.app:/cb") == "com.example.app:"
