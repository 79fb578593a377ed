"""Whoever presents one token at one moment gets one successor, and nobody is refused (I5)."""

from app.core.refresh_token import parse
from tests.races.crowd import in_threads

CROWD = 8
ROUNDS = 40


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
