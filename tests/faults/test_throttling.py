"""Refreshing is not limited; guessing a client's secret is, and costs its sessions nothing."""

from dataclasses import replace

from app.core.refresh_token import parse

WRONG = 40
REFRESHES = 150


def test_wrong_client_secrets_are_answered_429_and_consume_nothing(any_site):
    any_site.user()
    client = any_site.client()
    token = any_site.sign_in(client)["refresh_token"]
    thief = replace(client, secret="prn_cs_" + "a" * 43)
    answers = [any_site.refresh(thief, token) for _ in range(WRONG)]
    throttled = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert answers[-1].status_code == 429
    for answer in throttled:
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json["error"] == "temporarily_unavailable"
    right = any_site.refresh(client, token)
    assert right.status_code == 200, "the owner is not locked out"
    assert parse(right.json["refresh_token"]).generation == 2


def test_refreshing_is_never_too_often(any_site):
    any_site.user()
    client = any_site.client()
    token = any_site.sign_in(client)["refresh_token"]
    for _ in range(REFRESHES):
        answer = any_site.refresh(client, token)
        assert answer.status_code == 200
        token = answer.json["refresh_token"]
