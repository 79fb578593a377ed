import base64
import hashlib
import json
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from clients.conformance.tests.speaking import FORM, Caller, connect, send

METADATA = "/.well-known/oauth-authorization-server"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TARGET = "http://127.0.0.1:9999/callback"


def challenge(verifier):
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize(caller, **changed):
    asked = {
        "response_type": "code",
        "client_id": "conformance",
        "redirect_uri": TARGET,
        "state": "s1",
        "code_challenge_method": "S256",
        "code_challenge": challenge("v" * 43),
        **changed,
    }
    return caller.send("GET", f"/authorize?{urlencode(asked)}")


def redeem(caller, **changed):
    fields = {"redirect_uri": TARGET, "code_verifier": "v" * 43, **changed}
    return caller.post("/token", grant_type="authorization_code", **fields)


@pytest.fixture
def nobody(server):
    return Caller(server.url)


@pytest.fixture
def code(nobody):
    told = parse_qs(urlsplit(authorize(nobody).headers["Location"]).query)
    return told["code"][0]


def test_metadata_name_the_issuer_and_its_endpoints(server, nobody):
    told = nobody.send("GET", METADATA).json
    assert told["issuer"] == server.url
    assert told["token_endpoint"] == f"{server.url}/token"


@pytest.mark.parametrize("mode", ["strict", "window", "successor", "fixed"])
def test_only_the_mode_successor_announces_that_successors_are_replayed(server, nobody, mode):
    server.configure(mode=mode)
    told = nobody.send("GET", METADATA).json
    assert told.get("refresh_token_replay_supported") is (True if mode == "successor" else None)


def test_hints_are_announced_when_they_are_given(server, nobody):
    assert "refresh_token_expiration_types_supported" in nobody.send("GET", METADATA).json
    server.configure(hints=False)
    assert "refresh_token_expiration_types_supported" not in nobody.send("GET", METADATA).json


def test_a_token_answer_tells_the_lifetimes(nobody):
    told = nobody.sign_in().json
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 300, "read")
    assert told["refresh_token_timeout"] == 86_400
    assert told["authorization_expires_in"] == 2_592_000


def test_no_token_outlives_its_session(server, nobody):
    server.configure(absolute=4.5)
    told = nobody.sign_in().json
    assert (told["expires_in"], told["refresh_token_timeout"]) == (4.5, 4.5)


@pytest.mark.parametrize(("said", "told"), [("omitted", None), (0, 0), (0.25, 0.25)])
def test_expires_in_can_be_anything_but_the_truth(server, nobody, said, told):
    server.configure(expires_in=said)
    assert nobody.sign_in().json.get("expires_in") == told
    assert nobody.call().status == 200


def test_hints_can_be_left_out(server, nobody):
    server.configure(hints=False)
    assert not {"refresh_token_timeout", "authorization_expires_in"} & nobody.sign_in().json.keys()


def test_an_access_token_can_look_like_a_jwt(server, nobody, clock):
    server.configure(jwt=True, access=10)
    payload = nobody.sign_in().json["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] == pytest.approx(clock.now() + 10)
    assert nobody.call().status == 200


def test_a_fixed_server_answers_without_a_refresh_token(server, ana):
    server.configure(mode="fixed")
    assert "refresh_token" not in ana.refresh().json


def test_reasons_can_be_left_out(server, ana):
    server.revoke()
    assert ana.refresh().json["reason"] == "session_ended"
    server.configure(reasons=False)
    assert "reason" not in ana.refresh().json


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_id": "service"}, "invalid_client"),
        ({"client_id": "conformance", "client_secret": "none"}, "invalid_client"),
    ],
)
def test_a_wrong_sign_in_is_refused(nobody, fields, error):
    assert nobody.sign_in(**fields).json["error"] == error


def test_a_client_with_a_secret_may_use_basic(nobody):
    basic = base64.b64encode(b"service:service+secret").decode()
    fields = {"grant_type": "password", "username": "ana", "password": "correct horse"}
    reply = nobody.post("/token", {"Authorization": f"Basic {basic}"}, **fields, client_id=None)
    assert reply.status == 200


@pytest.mark.parametrize("header", ["Basic ?", "Bearer abc", "Basic " + "/w==" * 4])
def test_broken_credentials_are_those_of_no_client(nobody, header):
    reply = nobody.post("/token", {"Authorization": header}, grant_type="password")
    assert (reply.status, reply.json["error"]) == (401, "invalid_client")
    assert reply.headers["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status"),
    [
        ("GET", "/token", None, FORM, 405),
        ("POST", "/token?client_id=conformance", "grant_type=password", FORM, 400),
        ("POST", "/token", "a=1&a=2", FORM, 400),
        ("POST", "/token", "{}", "application/json", 400),
    ],
)
def test_what_is_no_token_request_is_refused(nobody, method, path, body, kind, status):
    reply = nobody.send(method, path, body, Content_Type=kind)
    assert (reply.status, reply.json["error"]) == (status, "invalid_request")


def test_an_unknown_grant_is_refused(nobody):
    assert nobody.post("/token", grant_type="none").json["error"] == "unsupported_grant_type"


def test_a_refresh_needs_a_token_and_stays_in_its_scope(ana):
    assert ana.post("/token", grant_type="refresh_token").json["error"] == "invalid_request"
    assert ana.refresh(scope="write").json["error"] == "invalid_scope"
    assert ana.refresh(scope="read").status == 200


@pytest.mark.parametrize("key", ["too short", '"', "k" * 129, 'k"' * 8, "k, l" * 8])
def test_what_is_no_idempotency_key_is_refused(ana, key):
    assert ana.refresh(key=key).json["error"] == "invalid_request"


def test_a_key_may_stand_in_quotes(ana, clock):
    old = ana.refresh_token
    first = ana.refresh(key='"0123456789abcdef"').json["refresh_token"]
    clock.advance(1000)
    assert ana.refresh(old, key="0123456789abcdef").json["refresh_token"] == first


def test_a_code_signs_in(ana, nobody, code):
    reply = redeem(nobody, code=code)
    assert reply.status == 200
    assert redeem(nobody, code=code).json["error"] == "invalid_grant"


@pytest.mark.parametrize("wrong", [{"code_verifier": "w" * 43}, {"redirect_uri": TARGET + "x"}])
def test_a_code_is_for_one_request_only(nobody, code, wrong):
    assert redeem(nobody, code=code, **wrong).json["error"] == "invalid_grant"


def test_the_answer_of_authorize_has_state_and_issuer(server, nobody):
    told = parse_qs(urlsplit(authorize(nobody, login_hint="bob").headers["Location"]).query)
    assert (told["state"], told["iss"]) == (["s1"], [server.url])
    redeem(nobody, code=told["code"][0])
    assert server.log()["families"][0]["user"] == "bob"


def test_authorize_sends_nobody_to_where_it_does_not_know(nobody):
    assert authorize(nobody, redirect_uri="https://example.com/").status == 400
    assert authorize(nobody, client_id="unknown").status == 400


def test_authorize_insists_on_pkce(nobody):
    reply = authorize(nobody, code_challenge_method="plain")
    assert "error=invalid_request" in reply.headers["Location"]


def test_a_device_waits_for_its_approval(server, nobody):
    server.configure(device_polls=1)
    told = nobody.post("/device_authorization").json
    poll = {"grant_type": DEVICE, "device_code": told["device_code"]}
    assert nobody.post("/token", **poll).json["error"] == "authorization_pending"
    assert nobody.post("/token", **poll).status == 200
    assert nobody.post("/token", **poll).json["error"] == "expired_token"


def test_a_revoked_refresh_token_ends_its_session_also_when_it_is_an_old_one(ana):
    old = ana.refresh_token
    ana.refresh()
    assert ana.post("/revoke", token=old).status == 200
    assert ana.refresh().json["reason"] == "session_ended"
    assert ana.call().status == 401


def test_a_revoked_access_token_is_the_only_thing_that_ends(ana):
    assert ana.post("/revoke", token=ana.access).status == 200
    assert ana.call().status == 401
    assert ana.refresh().status == 200


def test_unknown_tokens_can_be_revoked_and_none_cannot(nobody):
    assert nobody.post("/revoke", token="unknown").status == 200
    assert nobody.post("/revoke").status == 400


def test_the_api_asks_for_a_token_without_an_error_code(nobody):
    reply = nobody.send("GET", "/api/echo")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_the_api_refuses_what_has_expired(ana, clock):
    assert ana.call().status == 200
    clock.advance(300)
    reply = ana.call()
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (
        401,
        'Bearer error="invalid_token"',
    )


def test_access_tokens_can_be_refused_before_their_time(server, ana):
    server.expire_access()
    assert ana.call().status == 401
    ana.refresh()
    assert ana.call().status == 200


def test_the_api_tells_what_it_was_sent(ana):
    told = ana.call("/api/echo?a=1", "PUT", b"\x00body", X_Name="value").json
    assert (told["method"], told["query"], told["length"]) == ("PUT", "a=1", 5)
    assert told["sha256"] == hashlib.sha256(b"\x00body").hexdigest()
    assert told["headers"]["x-name"] == "value"
    assert ana.access not in json.dumps(told)


def test_the_api_reads_a_body_in_chunks(ana):
    told = ana.call(method="POST", body=iter([b"one ", b"two"])).json
    assert told["body"] == "one two"


def test_a_broken_length_is_a_bad_request(ana):
    assert ana.call(method="POST", body=b"", Content_Length="many").status == 400


def test_some_paths_refuse_every_token(ana):
    assert ana.call("/api/always401").status == 401
    reply = ana.call("/api/forbidden")
    assert (reply.status, "insufficient_scope" in reply.headers["WWW-Authenticate"]) == (403, True)


def test_the_api_redirects_to_another_origin_which_tells_of_leaks(server, ana, counts):
    reply = ana.call("/api/redirect")
    assert reply.status == 302
    stranger = Caller(reply.headers["Location"])
    path = urlsplit(reply.headers["Location"]).path
    assert stranger.send("GET", path).json == {"leaked": False}
    assert stranger.send("GET", path, Authorization=f"Bearer {ana.access}").json == {"leaked": True}
    assert counts()["leaks"] == 1


def test_a_connection_serves_many_requests(server, ana):
    connection = connect(server.url)
    for _ in range(3):
        send(connection, "GET", METADATA)
        socket = connection.sock
    send(connection, "GET", "/nothing")
    assert connection.sock is socket
    connection.close()


def test_pages_of_any_origin_may_ask_and_read_what_they_need(nobody):
    allowed = nobody.send("OPTIONS", "/token", Origin="http://127.0.0.1:5173")
    assert allowed.status == 204
    assert "Idempotency-Key" in allowed.headers["Access-Control-Allow-Headers"]
    headers = nobody.send("GET", METADATA).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    exposed = headers["Access-Control-Expose-Headers"].split(", ")
    assert exposed == ["Date", "Retry-After", "WWW-Authenticate", "DPoP-Nonce"]


def test_the_date_can_be_wrong(server, nobody, clock):
    server.configure(date_skew=3600)
    said = parsedate_to_datetime(nobody.send("GET", METADATA).headers["Date"])
    assert said.timestamp() == pytest.approx(clock.now() + 3600, abs=1)
