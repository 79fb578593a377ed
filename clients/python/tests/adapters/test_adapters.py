"""What every adapter does, whatever the library behind it."""

import pytest

from clients.python.tests.adapters.web import TEXT, WEBS
from perennial.errors import ConfigError, OfflineError, ReauthRequired
from perennial.messages import TransportError

REPEATED = [
    pytest.param(web, kind, id=f"{web.name}: {kind}") for web in WEBS for kind in web.bodies
]
ONE_SHOT = [
    pytest.param(web, kind, id=f"{web.name}: {kind}") for web in WEBS for kind in web.one_shot
]


def test_a_request_carries_the_token(web, session, api):
    assert web.send(session, "GET", api.url + "/me").status == 200
    assert api.tokens == ["Bearer a0"]


def test_the_token_is_looked_up_when_the_request_is_sent(web, session, party, api):
    party.clock.advance(900)
    assert web.send(session, "GET", api.url + "/me").status == 200
    assert api.tokens == ["Bearer a1"]


def test_only_allowed_origins_get_the_token(web, party, api, elsewhere):
    session = party.signed_in(allowed_origins=[api.url])
    assert web.send(session, "GET", api.url + "/me").status == 200
    assert web.send(session, "GET", elsewhere.url + "/me").status == 401
    assert elsewhere.tokens == [None]


def test_no_token_goes_over_plain_http(web, session):
    with pytest.raises(ConfigError):
        web.send(session, "GET", "http://api.example.com/me")


def test_a_refused_token_is_replaced_and_the_request_sent_once_more(web, session, party, api):
    api.revoke()
    got = web.send(session, "GET", api.url + "/me")
    assert (got.status, got.body) == (200, b"welcome ")
    assert api.tokens == ["Bearer a0", "Bearer a1"]
    assert len(party.server.refreshes) == 1
    assert web.name == "urllib" or (got.replayed, got.history) == (True, (401,))


@pytest.mark.parametrize(
    ("challenge", "another"),
    [
        (None, True),
        ('Bearer error="invalid_token"', True),
        ("bearer error=invalid_token", True),
        ("Bearer", True),
        ('Bearer realm="api"', True),
        ('Basic realm="api", Bearer realm="api", error="invalid_token"', True),
        ('Negotiate abc==, Bearer error="invalid_token"', True),
        ('Bearer error="insufficient_scope", scope="films:write"', False),
        ('Basic realm="api"', False),
        ('Basic realm="Bearer error=\\"invalid_token\\""', False),
        ('DPoP error="invalid_token"', False),
    ],
)
@pytest.mark.parametrize("web", [WEBS[0], WEBS[-2], WEBS[-1]], ids=lambda web: web.name)
def test_only_what_another_token_can_meet_is_met(web, session, party, api, challenge, another):
    api.revoke()
    api.challenge = challenge
    assert web.send(session, "GET", api.url + "/me").status == (200 if another else 401)
    assert len(party.server.refreshes) == another


def test_there_is_no_third_try(web, session, party, api):
    api.routes["/me"] = api.never
    got = web.send(session, "GET", api.url + "/me")
    assert (got.status, got.body) == (401, b"never")
    assert api.tokens == ["Bearer a0", "Bearer a1"]
    assert len(party.server.refreshes) == 1


def test_an_api_that_accepts_no_token_is_not_fed_for_ever(web, session, party, api):
    api.routes["/me"] = api.never
    got = [web.send(session, "GET", api.url + "/me") for _ in range(8)]
    assert {each.status for each in got} == {401}
    assert len(party.server.refreshes) == 5
    assert party.told("refresh_loop")
    assert got[-1].body == b"never"


@pytest.mark.parametrize(("web", "kind"), REPEATED)
def test_the_body_is_sent_again_as_it_was(web, kind, session, api):
    api.revoke()
    assert web.send(session, "POST", api.url + "/me", **web.bodies[kind]()).status == 200
    first, second = api.seen
    assert first.body == second.body != b""
    assert b"not this" not in second.body


@pytest.mark.parametrize(("web", "kind"), ONE_SHOT)
def test_a_body_that_is_gone_is_not_sent_as_something_else(web, kind, session, party, api):
    api.revoke()
    got = web.send(session, "POST", api.url + "/me", **web.one_shot[kind]())
    assert (got.status, got.body, got.replayed) == (401, b"no", False)
    (asked,) = api.seen
    assert TEXT in asked.body
    assert len(party.server.refreshes) == 1
    assert web.send(session, "GET", api.url + "/me").status == 200
    assert len(party.server.refreshes) == 1, "the session was renewed for what comes next"


def test_a_redirect_within_the_origin_keeps_the_token(web, session, api):
    api.routes["/old"] = api.send_to("/me")
    assert web.send(session, "GET", api.url + "/old").status == 200
    assert api.tokens == ["Bearer a0", "Bearer a0"]


def test_a_redirect_elsewhere_takes_no_token_along(web, session, party, api, elsewhere):
    api.routes["/old"] = api.send_to(elsewhere.url + "/me")
    assert web.send(session, "GET", api.url + "/old").status == 401
    assert elsewhere.tokens == [None]
    assert party.server.refreshes == [], "nobody refused our token"


def test_no_token_comes_back_from_elsewhere(web, session, api, elsewhere):
    api.routes["/old"] = api.send_to(elsewhere.url + "/there")
    elsewhere.routes["/there"] = elsewhere.send_to(api.url + "/me")
    assert web.send(session, "GET", api.url + "/old").status == 401
    assert elsewhere.tokens == [None]


def test_only_what_was_refused_is_sent_again(web, session, api):
    api.revoke()
    api.routes["/orders"] = api.send_to("/orders/1", status=303)
    assert web.send(session, "POST", api.url + "/orders", **web.bodies["bytes"]()).status == 200
    assert [(asked.method, asked.path) for asked in api.seen] == [
        ("POST", "/orders"),
        ("GET", "/orders/1"),
        ("GET", "/orders/1"),
    ]


def test_a_redirect_after_the_second_try_has_the_new_token_and_none_elsewhere(
    web, session, party, api, elsewhere
):
    api.revoke()

    def move(asked):
        status, headers, body = api.judge(asked)
        return (302, {"Location": "/me"}, b"") if status == 200 else (status, headers, body)

    api.routes["/old"] = move
    assert web.send(session, "GET", api.url + "/old").status == 200
    assert api.tokens == ["Bearer a0", "Bearer a1", "Bearer a1"]
    api.routes["/me"] = api.send_to(elsewhere.url + "/me")
    assert web.send(session, "GET", api.url + "/old").status == 401
    assert elsewhere.tokens == [None]
    assert len(party.server.refreshes) == 1


def test_a_hundred_requests_at_expiry_ask_for_one_token(web, session, party, api):
    party.clock.advance(900)
    got = web.send_many(session, api.url + "/me", 100)
    assert [each.status for each in got] == [200] * 100
    assert len(party.server.refreshes) == 1


def test_a_hundred_refusals_of_one_token_ask_for_one_other(web, session, party, api):
    api.revoke()
    got = web.send_many(session, api.url + "/me", 100)
    assert [each.status for each in got] == [200] * 100
    assert len(party.server.refreshes) == 1


def test_answers_are_streamed(web, session, party, api):
    api.routes["/long"] = lambda _: (200, {}, b"x" * 1_000_000)
    assert web.stream(session, api.url + "/long") == b"x" * 1_000_000
    api.revoke()
    api.routes["/long"] = lambda asked: (
        (200, {}, b"x" * 1_000_000) if asked.authorization == "Bearer a1" else api.judge(asked)
    )
    assert web.stream(session, api.url + "/long") == b"x" * 1_000_000


def test_a_session_that_is_over_is_what_the_caller_hears(web, session, party, api):
    api.revoke()
    party.server.ended = "session_idle"
    with pytest.raises(ReauthRequired) as refusal:
        web.send(session, "GET", api.url + "/me")
    assert refusal.value.reason == "session_idle"


def test_a_token_server_that_is_away_is_what_the_caller_hears(web, party, api):
    session = party.signed_in(patience=0.05)
    api.revoke()
    party.server.plan.extend([TransportError("no route", reached=False)] * 9)
    with pytest.raises(OfflineError):
        web.send(session, "GET", api.url + "/me")
    party.settled(session)
