"""`perennial client …`: secrets that overlap in time, and the end of a client."""

import pytest
from sqlalchemy import text

from tests.features.clients.registering import CREATE, authenticates, grants
from tests.site import PASSWORD


@pytest.mark.clause("rfc7591-3.2.1-07", "rfc6819-5.2.3.6-01")
def test_two_secrets_overlap_until_the_old_one_ends(perennial, any_site):
    site = any_site
    made = perennial.json(*CREATE, *grants("client_credentials"))
    client_id, old = made["client_id"], made["client_secret"]
    renewed = perennial.json("client", "rotate-secret", client_id, "--overlap", "3600")
    assert renewed.keys() == {"client_id", "client_secret"}
    assert renewed["client_id"] == client_id
    new = renewed["client_secret"]
    assert new != old
    site.clock.advance(seconds=3599.999)
    assert authenticates(site, client_id, old)
    assert authenticates(site, client_id, new)
    site.clock.advance(seconds=0.001)
    assert not authenticates(site, client_id, old)
    assert authenticates(site, client_id, new)


def test_without_overlap_the_old_secret_ends_within_five_seconds(perennial, any_site):
    site = any_site
    made = perennial.json(*CREATE, *grants("client_credentials"))
    assert authenticates(site, made["client_id"], made["client_secret"])
    renewed = perennial.json("client", "rotate-secret", made["client_id"])
    site.clock.advance(seconds=5)
    assert not authenticates(site, made["client_id"], made["client_secret"])
    assert authenticates(site, made["client_id"], renewed["client_secret"])


def test_an_overlap_that_was_promised_is_not_cut_short_unless_asked(quick, site):
    made = quick.json(*CREATE, *grants("client_credentials"))
    client_id, first = made["client_id"], made["client_secret"]
    command = ("client", "rotate-secret", client_id, "--overlap")
    second = quick.json(*command, "3600")["client_secret"]
    assert "overlaps" in quick.refused(*command, "3600")
    site.clock.advance(seconds=5)
    assert authenticates(site, client_id, first)
    third = quick.json(*command, "0")["client_secret"]
    site.clock.advance(seconds=5)
    known = (first, second, third)
    assert [authenticates(site, client_id, secret) for secret in known] == [False, False, True]


@pytest.mark.parametrize("overlap", [10**16, 10**30])
def test_an_overlap_beyond_any_calendar_is_refused(perennial, any_site, overlap):
    made = perennial.json(*CREATE, *grants("client_credentials"))
    command = ("client", "rotate-secret", made["client_id"], "--overlap", str(overlap))
    assert perennial(*command).exit_code in {1, 2}
    assert authenticates(any_site, made["client_id"], made["client_secret"])


def test_a_disabled_client_gets_nothing_any_more(perennial, any_site):
    site = any_site
    site.user()
    made = site.client(origins=("https://app.example.com",))
    client_id = made.client.client_id
    token = site.sign_in(made)
    assert perennial.done("client", "disable", client_id) == f"client {client_id} disabled\n"
    site.clock.advance(seconds=5)
    answer = site.refresh(made, token["refresh_token"])
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    assert site.post("/oauth/token", form, made).status_code == 401
    watcher = site.client(resource=site.run.settings.issuer)
    assert site.introspect(watcher, token["access_token"]) == {"active": False}
    shown = perennial.json("client", "show", client_id)
    assert shown["disabled"] is True
    perennial.done("client", "disable", client_id)


@pytest.mark.parametrize("command", ["show", "rotate-secret", "disable"])
@pytest.mark.parametrize("client_id", ["nobody", "' OR 1=1 --", "%"])
def test_an_unknown_client_is_refused(quick, command, client_id):
    quick.done(*CREATE, *grants("refresh_token"))
    assert quick.refused("client", command, client_id) == f"there is no client {client_id}"


def test_what_an_operator_did_is_in_the_audit_without_secrets(perennial, any_site):
    made = perennial.json(*CREATE, *grants("client_credentials"))
    renewed = perennial.json("client", "rotate-secret", made["client_id"])
    perennial.done("client", "disable", made["client_id"])
    with any_site.run.rotations.connect() as connection:
        rows = connection.execute(text("SELECT * FROM audit ORDER BY id")).mappings().all()
    ours = [row for row in rows if row["client_id"] == made["client_id"]]
    assert [row["event"] for row in ours] == [
        "client_created",
        "client_secret_rotated",
        "client_disabled",
    ]
    for secret in (made["client_secret"], renewed["client_secret"]):
        assert secret not in repr(rows)
