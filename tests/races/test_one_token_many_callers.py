"""Whoever presents one token at one moment gets one successor, and nobody is refused (I5)."""

from collections import Counter

import pytest
from sqlalchemy import text

from app.core.refresh_token import parse
from tests.flows.caller import Caller
from tests.flows.enrolment import beside, enrol
from tests.races.crowd import in_threads, present_together

CROWD = 8
ROUNDS = 40


@pytest.mark.clause("rfc9700-4.14.2-04")
def test_eight_processes_presenting_one_token_share_one_successor(server):
    account = enrol(server)
    first = Caller(account)
    token = first.sign_in()["refresh_token"]
    first.close()
    answers = present_together(account, token, processes=CROWD, rounds=ROUNDS)
    assert Counter(answer.status for each in answers for answer in each) == {200: CROWD * ROUNDS}
    chain = [
        {answer.body["refresh_token"] for answer in turn} for turn in zip(*answers, strict=True)
    ]
    assert [len(successors) for successors in chain] == [1] * ROUNDS
    generations = [parse(successor).generation for (successor,) in chain]
    assert generations == list(range(2, ROUNDS + 2)), "one generation for each round"
    with beside(server) as run, run.rotations.connect() as connection:
        stored = connection.execute(
            text("SELECT gen, revoked_at FROM sessions WHERE client_id = :id"),
            {"id": account.client_id},
        ).one()
    assert stored == (ROUNDS + 1, None)


def test_eight_hosts_presenting_one_token_share_one_successor(make_any_site):
    """Each host has caches, connections and keys of its own; they share the database only."""
    hosts = [make_any_site() for _ in range(CROWD)]
    hosts[0].user()
    client = hosts[0].client()
    token = hosts[0].sign_in(client)["refresh_token"]
    for turn in range(ROUNDS):
        answers = in_threads(
            [lambda host=host, sent=token: host.refresh(client, sent) for host in hosts]
        )
        assert [answer.status_code for answer in answers] == [200] * CROWD, answers[0].text
        (token,) = {answer.json["refresh_token"] for answer in answers}
        assert parse(token).generation == turn + 2, "one generation for each round"
    assert hosts[0].introspect(client, token)["active"] is True
