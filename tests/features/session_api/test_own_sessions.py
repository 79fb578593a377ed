"""People see their sessions and end them, one or all, without anybody's help."""

import pytest

from tests.features.session_api.conftest import App, bearer, own_client, problem, rows
from tests.protocol.expect import everything


def listed(app, token) -> dict[str, bool]:
    answer = app.get("sessions", token)
    assert answer.status_code == 200, answer.text
    return {session["id"]: session["current"] for session in answer.json["sessions"]}


@pytest.mark.clause("asvs5-v7-7.4.1-01")
def test_a_session_ended_from_another_device_is_over(phone):
    here, there = phone.logged_in(), phone.logged_in(device_name="Lost phone")
    bobs = phone.logged_in("bob")
    oauth = phone.site.sign_in(phone.site.client())
    ids = [answer["session"]["id"] for answer in (here, there)]
    found = listed(phone, here["access_token"])
    assert {sid: found[sid] for sid in ids} == {ids[0]: True, ids[1]: False}
    assert len(found) == 3, "those of other applications too, nobody else's"
    assert phone.end(ids[1], here["access_token"]).status_code == 204
    problem(phone.refresh(there["refresh_token"]), "session_ended", 401)
    problem(phone.get("session", there["access_token"]), "insufficient_scope", 403)
    assert ids[1] not in listed(phone, here["access_token"])
    assert phone.end(ids[1], here["access_token"]).status_code == 204, "again changes nothing"
    assert phone.refresh(here["refresh_token"]).status_code == 200
    assert phone.refresh(bobs["refresh_token"]).status_code == 200
    assert oauth["refresh_token"]
    assert [row["revoke_reason"] for row in rows(phone.site)].count("signed_out") == 1


def test_the_sessions_of_others_are_as_unknown_as_none(phone):
    mine, bobs = phone.logged_in(), phone.logged_in("bob")
    before = everything(phone.site)
    sid = bobs["session"]["id"]
    for unknown in (sid, "0" * 32, sid.upper(), "x", "%00", "a" * 4000, "..%2fsession", "\u00e9"):
        problem(phone.end(unknown, mine["access_token"]), "invalid_request", 404)
    assert everything(phone.site) == before


def test_sessions_that_are_over_are_not_listed(phone):
    phone.logged_in()
    phone.site.clock.advance(seconds=31 * 86_400)
    now = phone.logged_in()
    assert listed(phone, now["access_token"]) == {now["session"]["id"]: True}


@pytest.mark.clause("asvs5-v7-7.4.1-01")
@pytest.mark.parametrize("which", [0, 1, 2])
def test_logging_out_with_any_token_of_a_session_ends_it(phone, which):
    tokens = [phone.logged_in()["refresh_token"]]
    for _ in range(2):
        tokens.append(phone.refresh(tokens[-1]).json["refresh_token"])
    other = phone.logged_in()["refresh_token"]
    assert phone.post("logout", refresh_token=tokens[which]).status_code == 204
    problem(phone.refresh(tokens[-1]), "session_ended", 401)
    assert phone.refresh(other).status_code == 200
    assert phone.post("logout", refresh_token=tokens[-1]).status_code == 204, "again"


def test_logging_out_with_a_bearer_ends_its_session(phone):
    answer, other = phone.logged_in(), phone.logged_in()
    assert phone.post("logout", bearer(answer["access_token"])).status_code == 204
    problem(phone.refresh(answer["refresh_token"]), "session_ended", 401)
    problem(phone.post("logout", bearer(answer["access_token"])), "insufficient_scope", 403)
    assert phone.refresh(other["refresh_token"]).status_code == 200


def test_logging_out_needs_something_to_log_out(phone):
    problem(phone.post("logout"), "invalid_request", 400)
    problem(phone.post("logout", bearer("nonsense")), "bad_credentials", 401)


@pytest.mark.clause("asvs5-v7-7.4.3-01")
@pytest.mark.parametrize("by", ["token", "bearer"])
def test_logging_out_everywhere_ends_every_session_of_the_person(phone, by):
    site, oauth = phone.site, phone.site.client()
    everywhere = [phone.logged_in()["refresh_token"] for _ in range(2)]
    elsewhere = site.sign_in(oauth)["refresh_token"]
    bobs = phone.logged_in("bob")["refresh_token"]
    here = phone.logged_in()
    if by == "token":
        answer = phone.post("logout", refresh_token=here["refresh_token"], everywhere=True)
    else:
        answer = phone.post("logout", bearer(here["access_token"]), everywhere=True)
    assert answer.status_code == 204
    for token in (*everywhere, here["refresh_token"]):
        problem(phone.refresh(token), "session_ended", 401)
    assert site.refresh(oauth, elsewhere).json["reason"] == "session_ended"
    assert phone.refresh(bobs).status_code == 200


def test_logging_out_everywhere_needs_the_current_token(phone):
    first = phone.logged_in()["refresh_token"]
    phone.refresh(first)
    ended = phone.logged_in()["refresh_token"]
    phone.post("logout", refresh_token=ended)
    before = everything(phone.site)
    for token in (first, ended, "prn_rt_" + "0" * 64, "x"):
        answer = phone.post("logout", refresh_token=token, everywhere=True)
        problem(answer, "bad_credentials", 401)
    problem(phone.post("logout", everywhere=True), "bad_credentials", 401)
    assert everything(phone.site) == before


def calls(app, headers):
    """Every call that takes a bearer."""
    for call in ("session", "sessions"):
        yield app.http.get(f"/api/v1/auth/{call}", headers=headers)
    yield app.http.delete(f"/api/v1/auth/sessions/{'0' * 32}", headers=headers)
    yield app.http.post("/api/v1/auth/logout", headers=headers, json={"everywhere": True})


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer a.b.c", "bearer \u00e9"]
)
def test_without_a_token_of_ours_nobody_is_signed_in(phone, header):
    phone.logged_in()
    before = everything(phone.site)
    for answer in calls(phone, {"Authorization": header} if header else {}):
        problem(answer, "bad_credentials", 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert everything(phone.site) == before


def test_a_refresh_token_or_an_expired_access_token_is_no_bearer(phone):
    answer = phone.logged_in()
    for headers in (bearer(answer["refresh_token"]), bearer(answer["access_token"] + "A")):
        for refused in calls(phone, headers):
            problem(refused, "bad_credentials", 401)
    phone.site.clock.advance(seconds=900)
    for refused in calls(phone, bearer(answer["access_token"])):
        problem(refused, "bad_credentials", 401)


def test_a_token_for_others_is_not_enough(phone):
    """Another client's, another audience's, a client's own, a revoked one, one whose session ended."""
    site = phone.site
    site.client(resource="https://notes.example.com")
    oauth = site.client("password", "refresh_token", "client_credentials")
    revoked, ended = phone.logged_in(), phone.logged_in()
    site.revoke(phone.client, revoked["access_token"])
    phone.post("logout", refresh_token=ended["refresh_token"])
    for name, token in {
        "another client's": site.sign_in(oauth)["access_token"],
        "for others": site.sign_in(phone.client, resource="https://notes.example.com")[
            "access_token"
        ],
        "a client's own": site.token(oauth, grant_type="client_credentials").json["access_token"],
        "revoked": revoked["access_token"],
        "ended": ended["access_token"],
    }.items():
        before = everything(site)
        for answer in calls(phone, bearer(token)):
            problem(answer, "insufficient_scope", 403)
            assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"], name
        assert everything(site) == before


def test_any_client_of_the_owner_may_show_people_their_sessions(phone):
    site = phone.site
    oauth = site.client(first_party=True)
    token = site.sign_in(oauth)["access_token"]
    assert len(listed(App(site, own_client(site)), token)) == 1


def test_a_host_that_cannot_tell_asks_to_come_again(phone):
    """Its derivation secret is not the one the token was made with: R1c, never "signed out"."""
    token = phone.logged_in()["refresh_token"]
    file = phone.site.run.keystore.directory.path / "refresh-1.secret"
    right, before = file.read_bytes(), everything(phone.site)
    file.write_bytes(bytes(32))
    phone.site.run.keystore.forget()
    for answer in (
        phone.refresh(token),
        phone.post("logout", refresh_token=token),
        phone.post("logout", refresh_token=token, everywhere=True),
    ):
        assert (answer.status_code, answer.json["reason"]) == (503, "busy")
        assert int(answer.headers["Retry-After"]) >= 1
    assert everything(phone.site) == before
    file.write_bytes(right)
    phone.site.run.keystore.forget()
    assert phone.refresh(token).status_code == 200
