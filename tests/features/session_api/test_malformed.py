"""Whatever arrives at the API: a problem document of the four hundreds, and nothing changed."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.session_api.conftest import IN_BROWSER, App, bearer, own_client
from tests.protocol.expect import everything, never_cached
from tests.site import PASSWORD

CALLS = ("login", "refresh-token", "logout")
REASONS = {"invalid_request", "bad_credentials", "csrf", "client_not_allowed", "insufficient_scope"}
LOGIN = {"username": "alice", "password": PASSWORD, "client_id": "x"}
JSON = "application/json"


def is_a_refusal(answer) -> None:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert answer.mimetype == "application/problem+json"
    assert answer.json["reason"] in REASONS
    assert answer.json["status"] == answer.status_code
    never_cached(answer)


def deep(depth: int, opened: bytes = b"[", closed: bytes = b"]") -> bytes:
    return b'{"username":' + opened * depth + closed * depth + b"}"


BODIES = {
    "empty": b"",
    "blank": b"  ",
    "null": b"null",
    "a number": b"1",
    "a list": b"[]",
    "a text": b'"x"',
    "cut off": b'{"username": "al',
    "two objects": b"{}{}",
    "a trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b"{}//",
    "repeated": b'{"username":"alice","username":"bob"}',
    "repeated by escape": rb'{"username":"alice","us\u0065rname":"bob"}',
    "repeated inside": b'{"x":{"a":1,"a":2}}',
    "not a number": b'{"x":NaN}',
    "infinite": b'{"x":-Infinity}',
    "a long number": b'{"x":' + b"9" * 50_000 + b"}",
    "not UTF-8": b'{"username":"\xff"}',
    "UTF-16": json.dumps({"a": 1}).encode("utf-16"),
    "a mark in front": b"\xef\xbb\xbf{}",
    "a raw NUL": b'{"username":"\0"}',
    "deep lists": deep(30_000),
    "deep objects": deep(9_000, b'{"a":', b"}"),
    "deep and open": b"[" * 60_000,
}


@pytest.fixture(scope="module")
def guarded(standing_site):
    """A signed-in person on a server that this module leaves as it is."""
    site = standing_site
    client = own_client(site)
    phone, page = App(site, client), App(site, client, **IN_BROWSER)
    phone.tokens = phone.logged_in()
    page.login()
    return phone, page


@pytest.mark.clause("rfc9457-3-01", "rfc9457-3.1.1-01", "rfc9457-3.1.2-01", "rfc9457-5-01")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_object_of_json(guarded, call, body):
    phone, _ = guarded
    before = everything(phone.site)
    is_a_refusal(phone.http.post(f"/api/v1/auth/{call}", data=body, content_type=JSON))
    assert everything(phone.site) == before


@pytest.mark.parametrize("once_more", ['"x":1', '"client_id":"{id}"', r'"clien\u0074_id":"{id}"'])
def test_a_member_that_occurs_twice_in_a_request_that_is_good_otherwise(guarded, once_more):
    """Two readers of one text must not see two requests."""
    phone, _ = guarded
    before = everything(phone.site)
    good = {"x": 1, **LOGIN, "client_id": phone.client_id}
    body = json.dumps(good)[:-1] + "," + once_more.replace("{id}", phone.client_id) + "}"
    is_a_refusal(phone.http.post("/api/v1/auth/login", data=body, content_type=JSON))
    token = {"refresh_token": phone.tokens["refresh_token"]}
    body = json.dumps({**good, **token})[:-1] + ',"x":2}'
    is_a_refusal(phone.http.post("/api/v1/auth/refresh-token", data=body, content_type=JSON))
    assert everything(phone.site) == before


@pytest.mark.parametrize(
    "value", [None, 1, 1.5, True, [], ["alice"], {}, {"$ne": ""}, "a\0b", "\ud800", "a\nb", "\x7f"]
)
def test_a_member_that_is_no_fit_text(guarded, value):
    phone, page = guarded
    before = everything(phone.site)
    asked = {**LOGIN, "client_id": phone.client_id}
    for name in ("username", "password", "client_id", "device_name", "scope"):
        is_a_refusal(phone.post("login", **{**asked, name: value}))
    good = {"refresh_token": phone.tokens["refresh_token"], "client_id": phone.client_id}
    for name in good:
        is_a_refusal(phone.post("refresh-token", **{**good, name: value}))
    is_a_refusal(phone.post("logout", refresh_token=value))
    is_a_refusal(page.post("refresh-token", client_id=value))
    assert everything(phone.site) == before


@pytest.mark.parametrize("value", [None, 0, 1, "true", "", [], {}])
def test_a_member_that_is_neither_true_nor_false(guarded, value):
    phone, page = guarded
    before = everything(phone.site)
    asked = {**LOGIN, "client_id": phone.client_id}
    is_a_refusal(phone.post("login", **asked, remember_me=value))
    token = phone.tokens["refresh_token"]
    is_a_refusal(phone.post("logout", refresh_token=token, everywhere=value))
    is_a_refusal(page.post("logout", everywhere=value))
    assert everything(phone.site) == before


@pytest.mark.parametrize("missing", LOGIN)
def test_a_required_member_is_missing_or_empty(guarded, missing):
    phone, _ = guarded
    asked = {**LOGIN, "client_id": phone.client_id}
    rest = {name: value for name, value in asked.items() if name != missing}
    is_a_refusal(phone.post("login", **rest))
    is_a_refusal(phone.post("login", **rest, **{missing: ""}))


@pytest.mark.parametrize("missing", ["refresh_token", "client_id"])
def test_a_refresh_in_body_mode_names_the_token_and_the_client(guarded, missing):
    phone, _ = guarded
    before = everything(phone.site)
    good = {"refresh_token": phone.tokens["refresh_token"], "client_id": phone.client_id}
    rest = {name: value for name, value in good.items() if name != missing}
    is_a_refusal(phone.post("refresh-token", **rest))
    is_a_refusal(phone.post("refresh-token", **rest, **{missing: ""}))
    assert everything(phone.site) == before


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/json; charset=latin-1",
        "application/json, text/plain",
        "application/jsonx",
        "\u00e9",
    ],
)
def test_another_content_type(guarded, call, content_type):
    phone, _ = guarded
    before = everything(phone.site)
    good = {"refresh_token": phone.tokens["refresh_token"], **LOGIN, "client_id": phone.client_id}
    body = json.dumps(good).encode()
    is_a_refusal(phone.http.post(f"/api/v1/auth/{call}", data=body, content_type=content_type))
    assert everything(phone.site) == before


@pytest.mark.parametrize("call", CALLS)
def test_a_query_string_or_a_body_too_large(guarded, call):
    phone, _ = guarded
    before = everything(phone.site)
    good = {"refresh_token": phone.tokens["refresh_token"], **LOGIN, "client_id": phone.client_id}
    is_a_refusal(phone.http.post(f"/api/v1/auth/{call}?a=b", json=good))
    large = phone.http.post(f"/api/v1/auth/{call}", json={**good, "x": "x" * 65_536})
    is_a_refusal(large)
    assert large.status_code == 413
    assert everything(phone.site) == before


@pytest.mark.parametrize(
    "key", ["", "short", "a" * 129, '"' + "a" * 16, "a" * 15 + ",", "\u00e9" * 16]
)
def test_an_idempotency_key_of_another_form(guarded, key):
    phone, _ = guarded
    before = everything(phone.site)
    members = {"refresh_token": phone.tokens["refresh_token"], "client_id": phone.client_id}
    is_a_refusal(phone.post("refresh-token", {"Idempotency-Key": key}, **members))
    assert everything(phone.site) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "login", 405),
        ("PUT", "refresh-token", 405),
        ("DELETE", "logout", 405),
        ("POST", "session", 405),
        ("POST", "sessions", 405),
        ("GET", "sessions/" + "0" * 32, 405),
        ("GET", "unknown", 404),
        ("POST", "login/", 404),
        ("DELETE", "sessions/", 404),
    ],
)
def test_another_method_or_path_is_a_problem_document_too(guarded, method, path, status):
    answer = guarded[0].http.open(f"/api/v1/auth/{path}", method=method)
    is_a_refusal(answer)
    assert answer.status_code == status
    assert ("Allow" in answer.headers) == (status == 405)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["username", "password", "client_id", "device_name", "scope", "refresh_token", "everywhere"]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    call=st.sampled_from(CALLS),
    members=st.dictionaries(NAMES, VALUES),
    in_cookie=st.booleans(),
    header=st.text(st.characters(codec="latin-1", categories=["L", "N", "P", "Zs"]), max_size=40),
)
def test_no_other_input_is_answered_with_anything_worse(guarded, call, members, in_cookie, header):
    app = guarded[1 if in_cookie else 0]
    before = everything(app.site)
    if call == "logout" and in_cookie:
        members = {"everywhere": 1, **members, "refresh_token": "x"}
    answer = app.post(call, {"Authorization": header}, **members)
    assert 200 <= answer.status_code < 500
    if call != "refresh-token":
        assert everything(app.site) == before


@pytest.mark.parametrize("token", ["", "\u00e9", "x" * 4_000, "a.b.c", "prn_rt_" + "0" * 64])
def test_no_bearer_is_answered_with_anything_worse(guarded, token):
    phone, _ = guarded
    for call in ("session", "sessions"):
        is_a_refusal(phone.http.get(f"/api/v1/auth/{call}", headers=bearer(token)))
    is_a_refusal(phone.http.delete("/api/v1/auth/sessions/x", headers=bearer(token)))
