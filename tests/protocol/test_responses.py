"""What every token and error answer carries, and that each error leads to its explanation."""

import re
from html.parser import HTMLParser

import pytest

from app.core.outcomes import ErrorCode
from tests.protocol.expect import ENDPOINTS, REVOKE, never_cached, raw_basic
from tests.site import ISSUER, PASSWORD

ERROR_TEXT = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]+")
INJECTION = 'x"\\<script>é'


class Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found |= {value for name, value in attrs if name == "id"}


@pytest.fixture
def answers(site):
    """One answer of every kind that a client can provoke."""
    site.user()
    client, weak = site.client(), site.client("refresh_token")
    name = {"username": "alice", "password": PASSWORD}
    return {
        "invalid_request": site.token(client, scope=INJECTION),
        "invalid_client": site.post(REVOKE, {}, headers=raw_basic(b"x:x")),
        "invalid_grant": site.token(client, grant_type="refresh_token", refresh_token=INJECTION),
        "invalid_scope": site.token(client, grant_type="password", scope=INJECTION, **name),
        "invalid_target": site.token(client, grant_type="password", resource=INJECTION, **name),
        "unauthorized_client": site.token(weak, grant_type="password", **name),
        "unsupported_grant_type": site.token(client, grant_type=INJECTION),
    }


@pytest.mark.clause("rfc6749-5.2-01", "rfc6749-5.2-05", "rfc6749-5.2-11", "rfc6749-5.2-12")
@pytest.mark.clause("rfc7009-2.2.1-01")
def test_an_error_answer_has_its_status_and_three_bland_members(answers):
    for error, answer in answers.items():
        assert answer.status_code == (401 if error == "invalid_client" else 400)
        assert answer.content_type == "application/json"
        assert set(answer.json) == {"error", "error_description", "error_uri"}
        assert answer.json["error"] == error
        assert answer.json["error_uri"] == f"{ISSUER}/errors#{error}"
        assert ERROR_TEXT.fullmatch(answer.json["error_description"])
        assert answer.data.isascii()
        assert b"<script" not in answer.data
        never_cached(answer)


@pytest.mark.clause("rfc6749-5.2-06")
def test_only_401_carries_a_challenge(answers):
    for error, answer in answers.items():
        assert ("WWW-Authenticate" in answer.headers) == (error == "invalid_client")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_leads_to_its_explanation(standing, code):
    page = standing.http.get("/errors")
    assert page.status_code == 200
    anchors = Anchors()
    anchors.feed(page.text)
    assert code in anchors.found


@pytest.mark.clause("rfc6749-5.1-01", "rfc6749-5.1-02", "rfc6749-5.1-05", "rfc6749-5.1-06")
@pytest.mark.clause("rfc6749-5.1-07", "rfc6749-8.1-01", "draft-oauth-v2-1-3.2.3-01")
def test_a_token_answer_is_json_that_nobody_keeps(site):
    site.user()
    client = site.client("password", "refresh_token", "client_credentials")
    name = {"username": "alice", "password": PASSWORD}
    signed_in = site.token(client, grant_type="password", **name)
    token = signed_in.json["refresh_token"]
    answers = [
        signed_in,
        site.refresh(client, token),
        site.refresh(client, token),
        site.token(client, grant_type="client_credentials"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert answer.content_type == "application/json"
        assert answer.json["token_type"] == "Bearer"
        assert isinstance(answer.json["access_token"], str)
        assert type(answer.json["expires_in"]) is int
        never_cached(answer)


@pytest.mark.clause("rfc6749-5.1-05", "rfc6749-5.1-06")
@pytest.mark.parametrize("path", ENDPOINTS[1:])
def test_answers_of_revocation_and_introspection_are_not_kept_either(site, path):
    site.user()
    client = site.client()
    for token in (site.sign_in(client)["access_token"], "x"):
        answer = site.post(path, {"token": token}, client)
        assert answer.status_code == 200
        assert answer.content_type == "application/json"
        never_cached(answer)
