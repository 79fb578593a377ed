"""One session over hundreds of refreshes: storage stands still, and every ancestor is known."""

import pytest
from sqlalchemy import inspect, text

REFRESHES = 500
WINDOW = 60  # PERENNIAL_REUSE_GRACE, seconds


def rows(site) -> dict[str, int]:
    """How many rows each table has."""
    with site.run.rotations.connect() as connection:
        tables = inspect(connection).get_table_names()
        count = "SELECT count(*) FROM {}".format
        return {name: connection.execute(text(count(name))).scalar_one() for name in tables}


def refused_as_reused(answer) -> bool:
    assert answer.status_code == 400, answer.text
    return (answer.json["error"], answer.json["reason"]) == ("invalid_grant", "session_reused")


@pytest.mark.clause("rfc9700-4.14.2-04", "rfc9700-4.14.2-05", "rfc9700-4.14.2-06")
@pytest.mark.clause("asvs5-v10-10.4.5-02", "asvs5-v10-10.4.5-03", "rfc6819-5.2.2.3-01")
def test_five_hundred_refreshes_add_no_row_and_no_ancestor_is_forgotten(any_site, duplicate):
    any_site.user()
    client = any_site.client()
    tokens = [any_site.sign_in(client)["refresh_token"]]
    before = rows(any_site)
    for _ in range(REFRESHES):
        answer = any_site.refresh(client, tokens[-1])
        assert answer.status_code == 200, answer.text
        tokens.append(answer.json["refresh_token"])
    assert rows(any_site) == before
    assert len(set(tokens)) == REFRESHES + 1

    for number in (1, 250, 499):
        copy = duplicate(any_site, f"reuse-{number}.db")
        assert refused_as_reused(copy.refresh(client, tokens[number - 1]))
        assert refused_as_reused(copy.refresh(client, tokens[-1])), "the session has ended"
        assert not copy.introspect(client, tokens[-1])["active"]

    copy = duplicate(any_site, "parent.db")
    copy.clock.advance(WINDOW)
    assert copy.refresh(client, tokens[-2]).json["refresh_token"] == tokens[-1]
    copy.clock.advance(0.001)
    assert refused_as_reused(copy.refresh(client, tokens[-2]))
    assert refused_as_reused(copy.refresh(client, tokens[-1])), "the session has ended"

    assert any_site.refresh(client, tokens[-1]).status_code == 200, "the original lives on"
