"""Parameters come from the body, each once, as well-formed text; all else is a 400 in JSON."""

import io
import json

import pytest

from tests.protocol.expect import ENDPOINTS, FORM, TOKEN, credentials, everything, refused, send
from tests.site import PASSWORD

ASK = b"grant_type=client_credentials"
LARGEST_BODY = 64 * 1024
SIGN_IN = {"grant_type": "password", "username": "alice", "password": PASSWORD}


@pytest.fixture
def machine(standing):
    return standing.client("client_credentials")


@pytest.mark.clause("rfc6749-5.2-09", "rfc6749-5.2-02", "rfc6749-3.2-05")
@pytest.mark.parametrize("body", [b"", b"scope=read", b"grant_type=", b"grant_type", b"&&&"])
def test_a_token_request_without_a_grant_type_is_malformed(standing, machine, body):
    refused(send(standing, machine, body), "invalid_request")


@pytest.mark.clause("rfc6749-5.2-09", "rfc6749-4.5-01")
@pytest.mark.parametrize(
    "grant_type",
    [
        "implicit",
        "Password",
        "refresh_token ",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:example:no-such-grant",
        "é",
        "x" * 10_000,
    ],
)
def test_a_grant_type_that_nobody_serves_is_unsupported(standing, machine, grant_type):
    refused(standing.token(machine, grant_type=grant_type), "unsupported_grant_type")


@pytest.mark.clause("rfc6749-3.2-07", "rfc6749-5.2-02")
@pytest.mark.parametrize(
    "body",
    [
        ASK + b"&" + ASK,
        ASK + b"&grant_type=password",
        ASK + b"&scope=read&scope=read",
        ASK + b"&scope=read&scope=write",
        ASK + b"&scope=&scope=read",
        ASK + b"&sc%6Fpe=read&scope=read",
        ASK + b"&client_id=a&client_id=a",
        ASK + b"&unheard_of=1&unheard_of=1",
    ],
)
def test_a_repeated_parameter_is_malformed(standing, machine, body):
    refused(send(standing, machine, body), "invalid_request")


@pytest.mark.clause("rfc6749-3.2-07")
@pytest.mark.parametrize("name", ["grant_type", "refresh_token", "scope"])
def test_a_repeated_parameter_does_not_cost_the_refresh_token(site, name):
    site.user()
    client = site.client()
    token = site.sign_in(client)["refresh_token"]
    right = {"grant_type": "refresh_token", "refresh_token": token, "scope": "read"}
    refused(site.post(TOKEN, [*right.items(), (name, right[name])], client), "invalid_request")
    assert site.refresh(client, token).status_code == 200


@pytest.mark.clause("rfc6749-B-01")
@pytest.mark.parametrize(
    "tail",
    [
        b"&scope=%",
        b"&scope=%4",
        b"&scope=%zz",
        b"&sc%zzope=read",
        b"&scope=%u0041",
        b"&scope=\xff",
        b"&scope=%FF",
        b"&\xff=1",
        b"&%FF=1",
        b"&scope=%C0%80",
        b"&scope=%ED%A0%80",
        b"&scope=%ED%A0%BD%ED%B8%80",
        b"&scope=%E2%82",
        b"&scope=%F4%90%80%80",
    ],
)
def test_what_is_not_percent_encoded_utf_8_is_malformed(standing, machine, tail):
    refused(send(standing, machine, ASK + tail), "invalid_request")


@pytest.mark.clause("rfc6749-A-01")
@pytest.mark.parametrize("name", ["scope", "client_id", "client_secret", "resource", "unheard_of"])
def test_a_control_character_is_malformed_wherever_it_stands(standing, machine, name):
    encoded = ["%00", "%01", "%0A", "%0D", "%1B", "%7F", "%EF%BF%BE", "%EF%BF%BF"]
    for octets in (*encoded, "\n", "\r", "\0"):
        body = ASK + f"&{name}=a{octets}b".encode()
        refused(send(standing, machine, body), "invalid_request")


@pytest.mark.clause("rfc6749-B-01", "rfc7009-2-03", "rfc7662-2.1-01")
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded-not",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/x-www-form-urlencoded; charset=utf-16",
        "; ;=",
    ],
)
def test_only_the_form_content_type_is_read(standing, machine, content_type):
    for path in ENDPOINTS:
        answer = send(standing, machine, ASK + b"&token=x", path, content_type=content_type)
        refused(answer, "invalid_request")


@pytest.mark.clause("rfc6749-5.2-12")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_json_and_multipart_bodies_are_refused_in_json(standing, machine, path):
    asked = {"grant_type": "client_credentials", "token": "x"}
    as_json = send(standing, machine, json.dumps(asked).encode(), path, "application/json")
    refused(as_json, "invalid_request")
    refused(standing.http.post(path, json=[], headers=credentials(machine)), "invalid_request")
    multipart = standing.http.post(
        path, data=asked, headers=credentials(machine), content_type="multipart/form-data"
    )
    refused(multipart, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=utf-8",
        'application/x-www-form-urlencoded; charset="UTF-8"',
        "Application/X-WWW-Form-UrlEncoded;charset=UTF-8",
    ],
)
def test_the_form_content_type_may_name_its_charset(standing, machine, content_type):
    assert send(standing, machine, ASK, content_type=content_type).status_code == 200


@pytest.mark.clause("rfc6749-2.3.1-05", "rfc6749-3.2-04")
@pytest.mark.parametrize("path", ENDPOINTS)
def test_parameters_in_the_query_string_are_malformed(standing, machine, path):
    asked = ASK.decode()
    for query in (asked, "scope=read", "token=x", "client_secret=x", "access_token=x", "x", "="):
        answer = send(standing, machine, ASK + b"&token=x", f"{path}?{query}")
        refused(answer, "invalid_request")


@pytest.mark.clause("rfc6749-3.2-04", "rfc6749-2.3.1-05")
def test_a_whole_request_in_the_query_string_yields_nothing(standing, machine):
    who = machine.client.client_id
    query = f"grant_type=client_credentials&client_id={who}&client_secret={machine.secret}"
    refused(standing.http.post(f"{TOKEN}?{query}", data=b"", content_type=FORM), "invalid_request")
    assert standing.http.get(f"{TOKEN}?{query}").status_code == 405


@pytest.mark.clause("rfc6749-3.2-06", "draft-oauth-v2-1-3.2-01")
@pytest.mark.parametrize(
    "tail", [b"&unheard_of=1", b"&%F0%9F%98%80=%F0%9F%98%80", b"&=", b"&a=b=c", b"&username=alice"]
)
def test_unheard_of_parameters_are_ignored(standing, machine, tail):
    assert send(standing, machine, ASK + tail).status_code == 200


@pytest.mark.clause("rfc6749-3.2-05")
@pytest.mark.parametrize("name", ["scope", "resource", "client_id", "client_secret", "unheard_of"])
def test_an_empty_parameter_counts_as_absent(standing, machine, name):
    answer = send(standing, machine, ASK + f"&{name}=".encode())
    assert answer.status_code == 200
    assert answer.json["scope"] == "read write"


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_body_of_64_kib_is_read_and_one_octet_more_is_413(standing, machine, path):
    start = ASK + b"&token=x&pad="
    largest = start + b"x" * (LARGEST_BODY - len(start))
    assert send(standing, machine, largest, path).status_code == 200
    refused(send(standing, machine, largest + b"x", path), "invalid_request", status=413)


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "; ;="])
def test_a_body_over_64_kib_is_413_whatever_it_says_it_is(standing, machine, path, content_type):
    large = send(standing, machine, b"x" * (LARGEST_BODY + 1), path, content_type)
    refused(large, "invalid_request", status=413)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_body_that_does_not_say_how_long_it_is_has_the_same_limit(standing, machine, path):
    start = ASK + b"&token=x&pad="
    for size, status in ((LARGEST_BODY, 200), (LARGEST_BODY + 1, 413), (10 * LARGEST_BODY, 413)):
        answer = standing.http.post(
            path,
            input_stream=io.BytesIO(start + b"x" * (size - len(start))),
            headers=credentials(machine),
            content_type=FORM,
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert answer.status_code == status


def test_a_hundred_parameters_are_read_and_one_more_is_malformed(standing, machine):
    hundred = ASK + b"".join(b"&p%d=" % number for number in range(99))
    assert send(standing, machine, hundred).status_code == 200
    refused(send(standing, machine, hundred + b"&p=1"), "invalid_request")


@pytest.mark.clause("rfc6819-5.1.4.1.2-01", "rfc6749-10.14-01")
@pytest.mark.parametrize(
    "value",
    [
        "x" * 30_000,
        "é" * 5_000,
        "\U0001f600" * 2_000,
        "' OR '1'='1",
        "'; DROP TABLE users; --",
        "%00",
        "\t",
        "\u202e",
        "\ufffd",
        "{}[]<>\\\"'`$(id)",
    ],
)
def test_odd_values_of_any_parameter_are_never_a_500_and_change_nothing(any_site, value):
    any_site.user()
    client = any_site.client()
    before = everything(any_site)
    forms = [
        {**SIGN_IN, "username": value},
        {**SIGN_IN, "password": value},
        {**SIGN_IN, "scope": f"{value} x"},
        {**SIGN_IN, "resource": f"{value} "},
        {"grant_type": "refresh_token", "refresh_token": value},
        {"grant_type": value},
    ]
    for form in forms:
        answer = any_site.post(TOKEN, form, client)
        assert answer.status_code == 400, (form, answer.text)
        assert answer.json["error"] != "server_error"
    for path in ENDPOINTS[1:]:
        answer = any_site.post(path, {"token": value, "token_type_hint": value}, client)
        assert answer.status_code == 200, answer.text
    assert any_site.post(TOKEN, {**forms[0], "client_id": value}).status_code == 401
    assert everything(any_site) == before


@pytest.mark.clause("rfc6749-B-01")
@pytest.mark.parametrize("password", ["a b+c", "pässwörd €", "\U0001f511 schlüssel", "100%&=?"])
def test_a_form_encoded_password_arrives_as_it_was_typed(site, password):
    site.user(password=password)
    answer = site.token(site.client(), grant_type="password", username="alice", password=password)
    assert answer.status_code == 200
