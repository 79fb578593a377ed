"""Which access tokens say where their session's bit is."""

import pytest
from sqlalchemy import event

from app.core.status_list import SIZE, Place
from app.store import status_lists
from tests.protocol.expect import claims
from tests.site import ISSUER, PASSWORD


def place(token):
    """(index, uri) of an access token."""
    reference = claims(token)["status"]["status_list"]
    assert set(reference) == {"idx", "uri"}
    return reference["idx"], reference["uri"]


@pytest.mark.clause(
    "draft-status-list-6.2-01", "draft-status-list-6.2-02", "draft-status-list-6.2-03"
)
def test_a_sessions_tokens_say_where_its_bit_is_for_as_long_as_it_lives(any_site):
    any_site.user()
    client = any_site.client()
    tokens = any_site.sign_in(client)
    index, uri = place(tokens["access_token"])
    assert index in range(SIZE)
    assert uri.startswith(f"{ISSUER}/oauth/status/")
    for _ in range(3):
        tokens = any_site.refresh(client, tokens["refresh_token"]).json
        assert place(tokens["access_token"]) == (index, uri)


def test_every_session_has_its_own_bit(any_site):
    any_site.user()
    client = any_site.client()
    places = [place(any_site.sign_in(client)["access_token"]) for _ in range(5)]
    assert len(set(places)) == 5
    assert len({uri for _, uri in places}) == 1


def test_introspection_tells_the_claim(any_site):
    any_site.user()
    client = any_site.client()
    token = any_site.sign_in(client)["access_token"]
    assert any_site.introspect(client, token)["status"] == claims(token)["status"]


def test_a_client_without_status_gets_tokens_without_it(any_site):
    any_site.user()
    client = any_site.client(status=False)
    tokens = any_site.sign_in(client)
    refreshed = any_site.refresh(client, tokens["refresh_token"]).json
    for answer in (tokens, refreshed):
        assert "status" not in claims(answer["access_token"])


def test_a_clients_own_token_has_no_status(any_site):
    client = any_site.client("client_credentials")
    token = any_site.token(client, grant_type="client_credentials").json["access_token"]
    assert "status" not in claims(token)


def test_a_place_that_was_given_twice_is_asked_for_again(any_site, monkeypatch):
    """As after a crash of the database that forgot who had it."""
    any_site.user()
    client = any_site.client()
    with monkeypatch.context() as patch:
        patch.setattr(status_lists, "allot", lambda *_: Place(1, 2))
        any_site.sign_in(client)
        form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
        answer = any_site.token(client, **form)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json["error"] == "temporarily_unavailable"
    any_site.sign_in(client)


@pytest.mark.parametrize("status", [True, False])
def test_a_place_costs_a_sign_in_one_statement(any_site, status):
    any_site.user()
    client = any_site.client(status=status)
    any_site.sign_in(client)
    said: list[str] = []
    for engine in (any_site.run.rotations, any_site.run.transactions):
        event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2].split()[0]))
    any_site.sign_in(client)
    assert [word for word in said if word != "BEGIN"] == [
        "SELECT",
        *(["UPDATE"] if status else []),
        "SELECT",  # the person, held for the session
        "INSERT",
    ]
