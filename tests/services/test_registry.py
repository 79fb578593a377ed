"""Who is registered: what is remembered for five seconds, and what never is."""

import pytest
from sqlalchemy import event

from app.features.clients import use_case
from app.services import registry
from app.services.registry import FRESH, Registry


@pytest.fixture
def statements(site):
    """Every statement that the registry's engine was sent."""
    seen: list[str] = []

    def note(connection, cursor, statement, *_):
        seen.append(statement)

    event.listen(site.run.rotations, "before_cursor_execute", note)
    return seen


def find(site, client_id):
    return site.run.registry.client(client_id, site.clock())


def test_a_client_is_read_once_in_five_seconds(site, statements):
    client = site.client().client
    assert find(site, client.client_id) == client
    site.clock.now += FRESH - 1
    assert find(site, client.client_id) == client
    assert len(statements) == 1
    site.clock.now += 1
    assert find(site, client.client_id) == client
    assert len(statements) == 2


@pytest.mark.clause("rfc6819-5.2.3.6-01")
def test_a_disabled_client_and_a_new_secret_count_within_five_seconds(any_site):
    registered = any_site.client()
    client_id = registered.client.client_id
    assert not find(any_site, client_id).disabled
    use_case.rotate_secret(any_site.run, registered.client, overlap=0)
    use_case.disable(any_site.run, registered.client)
    any_site.clock.now += FRESH
    found = find(any_site, client_id)
    assert found.disabled
    assert not found.secrets.match(registered.secret.encode(), any_site.clock())


def test_a_clock_that_was_set_back_keeps_nothing_alive(site):
    registered = site.client()
    find(site, registered.client.client_id)
    use_case.disable(site.run, registered.client)
    site.clock.advance(seconds=-3600)
    assert find(site, registered.client.client_id).disabled


def test_what_is_not_found_is_not_remembered_so_a_registration_works_at_once(any_site):
    run, now = any_site.run, any_site.clock()
    assert find(any_site, "nobody") is None
    assert not run.registry.is_origin("https://app.example.com", now)
    assert not run.registry.is_resource("https://api.example.com", now)
    made = any_site.client(origins=("https://app.example.com",)).client
    any_site.client(resource="https://api.example.com")
    assert find(any_site, made.client_id) == made
    assert run.registry.is_origin("https://app.example.com", now)
    assert run.registry.is_resource("https://api.example.com", now)


@pytest.mark.parametrize(
    "other",
    [
        "https://app.example.com/",
        "http://app.example.com",
        "https://app.example.com:443",
        "https://APP.example.com",
        "https://evil.example.com",
        "https://app.example.com https://other.example.com",
        "null",
        "*",
        "",
    ],
)
def test_an_origin_is_compared_as_text(site, other):
    site.client(origins=("https://app.example.com", "https://other.example.com"))
    assert not site.run.registry.is_origin(other, site.clock())


def test_origins_and_resources_of_a_disabled_client_go_within_five_seconds(any_site):
    run = any_site.run
    client = any_site.client(origins=("https://app.example.com",)).client
    server = any_site.client(resource="https://api.example.com").client
    asked = (
        (run.registry.is_origin, "https://app.example.com"),
        (run.registry.is_resource, "https://api.example.com"),
    )
    assert all(ask(text, any_site.clock()) for ask, text in asked)
    use_case.disable(run, client)
    use_case.disable(run, server)
    any_site.clock.now += FRESH
    assert not any(ask(text, any_site.clock()) for ask, text in asked)


def test_known_origins_cost_no_statement(site, statements):
    site.client(origins=("https://app.example.com",))
    for _ in range(10):
        assert site.run.registry.is_origin("https://app.example.com", site.clock())
    assert len(statements) == 1


def test_strangers_cannot_fill_the_memory(site, monkeypatch):
    monkeypatch.setattr(registry, "LARGEST", 5)
    own = Registry(site.run.rotations)
    ids = [site.client().client.client_id for _ in range(8)]
    for number, client_id in enumerate([*ids, *(f"nobody-{n}" for n in range(100))]):
        own.client(client_id, site.clock())
        assert len(own._clients) <= 5, number
    assert set(own._clients) == set(ids[-5:])
