"""What a device asks for, and what it is told while it waits (RFC 8628)."""

import re

import pytest
from sqlalchemy.exc import OperationalError

from app.core.device import GRANT, LIFE, DeviceRequest
from app.core.devices import Device
from app.core.sessions import EndReason
from app.features.device import FEATURE, use_case
from app.features.device.jobs import PURGE
from app.protocol.sign_out import end_everything
from app.store import device_authorizations as store
from app.store import sessions
from tests.features.device.living_room import AUTHORIZATION, Codes, ask, television
from tests.protocol.expect import claims, credentials, everything, never_cached, refused
from tests.site import ISSUER, Site

ROWS = "device_authorizations"


def allow(site: Site, codes: Codes, user, *, allowed: bool = True) -> None:
    """What the page does when a person has decided."""
    found = store.Decision(allowed, user.id, user.auth_epoch, site.clock.now, "browser")
    with site.run.transactions.begin() as connection:
        digest = use_case.digest(codes.told["device_code"])
        assert store.decide(connection, digest, found, site.clock.now)


@pytest.mark.clause("rfc8628-3.2-01", "rfc8628-3.2-02", "rfc8628-3.2-03", "rfc8628-3.2-04")
@pytest.mark.clause("rfc8628-3.2-05", "rfc8628-3.2-06", "rfc8628-3.2-07", "rfc8628-3.3-02")
@pytest.mark.clause("rfc8628-5.2-01", "rfc8628-6.1-01", "rfc8628-3.1-02")
@pytest.mark.parametrize("public", [True, False])
def test_a_device_is_told_its_codes(any_site, public):
    answer = any_site.post(AUTHORIZATION, {}, television(any_site, public=public))
    assert answer.status_code == 200
    never_cached(answer)
    told = answer.json
    code = told.pop("user_code")
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code)
    assert re.fullmatch("prn_dc_[A-Za-z0-9_-]{43}", told.pop("device_code"))
    assert told == {
        "verification_uri": f"{ISSUER}/device",
        "verification_uri_complete": f"{ISSUER}/device?user_code={code}",
        "expires_in": 600,
        "interval": 5,
    }


@pytest.mark.clause("rfc8628-3.1-02")
def test_a_device_with_a_secret_has_nothing_else_to_send(site):
    tv = television(site, public=False)
    told = site.http.post(AUTHORIZATION, headers=credentials(tv))
    assert told.status_code == 200, told.text
    assert told.json["user_code"]


@pytest.mark.clause("rfc8628-3.1-01", "rfc8628-3.1-02", "rfc8628-3.1-04", "rfc8628-3.1-05")
@pytest.mark.clause("rfc8628-3.1-06")
def test_a_request_is_judged_at_once(any_site):
    site = any_site
    tv, box = television(site), television(site, public=False)
    other = site.client()
    before = everything(site)
    refused(site.post(AUTHORIZATION, {}), "invalid_client", 401)
    refused(site.post(AUTHORIZATION, {"client_id": box.client.client_id}), "invalid_client", 401)
    refused(site.post(AUTHORIZATION, {}, other), "unauthorized_client")
    refused(site.post(AUTHORIZATION, {"scope": "admin"}, tv), "invalid_scope")
    refused(site.post(AUTHORIZATION, {"resource": "https://x.example"}, tv), "invalid_target")
    refused(site.post(AUTHORIZATION, [("scope", "read")] * 2, tv), "invalid_request")
    refused(site.post(f"{AUTHORIZATION}?scope=read", {}, tv), "invalid_request")
    assert site.http.get(AUTHORIZATION).status_code == 405
    assert everything(site) == before
    assert site.post(AUTHORIZATION, {"scope": "", "colour": "red"}, tv).status_code == 200


def test_no_two_devices_show_the_same_code(any_site, monkeypatch):
    made = iter(["BCDFGHJK", "BCDFGHJK", "ZZZZZZZZ"])
    monkeypatch.setattr(use_case, "new_user_code", lambda: next(made))
    tv = television(any_site)
    assert [ask(any_site, tv).user_code for _ in range(2)] == ["BCDF-GHJK", "ZZZZ-ZZZZ"]


@pytest.mark.clause("rfc8628-3.4-01", "rfc8628-3.5-01", "rfc8628-3.5-05", "rfc8628-3.4-04")
@pytest.mark.parametrize("public", [True, False])
def test_a_device_gets_tokens_once_the_person_has_allowed_it(any_site, public):
    site = any_site
    user = site.user()
    codes = ask(site, television(site, public=public), scope="read")
    refused(codes.poll(), "authorization_pending")
    refused(codes.later(), "authorization_pending")
    allow(site, codes, user)
    signed_in_at = site.clock.now
    tokens = codes.later().json
    assert tokens["scope"] == "read"
    found = claims(tokens["access_token"])
    assert (found["sub"], found["auth_time"]) == (user.id, signed_in_at // 1000)
    assert site.refresh(codes.client, tokens["refresh_token"]).status_code == 200
    refused(codes.later(), "invalid_grant")
    assert len(everything(site)["sessions"]) == 1


@pytest.mark.clause("rfc8628-3.5-02")
def test_every_poll_before_its_time_makes_the_interval_five_seconds_longer(any_site):
    site = any_site
    codes = ask(site, television(site))
    refused(codes.poll(), "authorization_pending")
    refused(codes.later(4), "slow_down")  # 10 from here on
    refused(codes.later(9), "slow_down")  # 15
    refused(codes.later(14), "slow_down")  # 20
    refused(codes.later(20), "authorization_pending")
    refused(codes.later(19), "slow_down")


@pytest.mark.clause("rfc8628-3.5-02")
def test_of_polls_at_once_one_is_in_time(any_site, monkeypatch):
    """Both have read the row before either wrote."""
    codes = ask(any_site, television(any_site))
    find = store.find

    def slowly(connection, digest):
        found = find(connection, digest)
        monkeypatch.setattr(store, "find", find)
        refused(codes.poll(), "authorization_pending")
        return found

    monkeypatch.setattr(store, "find", slowly)
    refused(codes.poll(), "slow_down")
    refused(codes.later(9), "slow_down")


@pytest.mark.clause("rfc8628-3.5-03")
def test_a_device_is_told_that_the_person_refused(any_site):
    user = any_site.user()
    codes = ask(any_site, television(any_site))
    allow(any_site, codes, user, allowed=False)
    for _ in range(2):
        refused(codes.poll(), "access_denied")
    assert everything(any_site)["sessions"] == []


@pytest.mark.clause("rfc8628-3.5-04", "rfc8628-3.2-05")
@pytest.mark.parametrize("decided", [True, False])
def test_codes_expire_after_ten_minutes(any_site, decided):
    user = any_site.user()
    codes = ask(any_site, television(any_site))
    any_site.clock.advance(seconds=599)
    if decided:
        allow(any_site, codes, user)
    refused(codes.later(1), "expired_token")
    assert everything(any_site)["sessions"] == []


@pytest.mark.clause("rfc8628-3.4-02", "rfc8628-3.4-03", "rfc8628-3.4-04", "rfc8628-3.4-05")
def test_a_code_is_good_for_its_client_only(any_site):
    site = any_site
    user = site.user()
    tv, other, box = television(site), television(site), television(site, public=False)
    without = site.client()
    codes, boxed = ask(site, tv), ask(site, box)
    allow(site, codes, user)
    before = everything(site)
    refused(codes.poll(other), "invalid_grant")
    refused(codes.poll(without), "unauthorized_client")
    refused(site.token(tv, grant_type=GRANT), "invalid_request")
    refused(site.token(tv, grant_type=GRANT, device_code="prn_dc_x"), "invalid_grant")
    refused(site.token(tv, grant_type=GRANT, device_code=codes.user_code), "invalid_grant")
    unproven = {"grant_type": GRANT, "device_code": boxed.told["device_code"]}
    refused(site.token(None, **unproven), "invalid_client", 401)
    unproven["client_id"] = box.client.client_id
    refused(site.token(None, **unproven), "invalid_client", 401)
    assert everything(site) == before
    assert codes.poll().status_code == 200


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(site):
    user = site.user()
    codes = ask(site, television(site, GRANT))
    allow(site, codes, user)
    assert "refresh_token" not in codes.poll().json


def test_whoever_was_signed_out_everywhere_meanwhile_has_allowed_nothing(any_site):
    user = any_site.user()
    codes = ask(any_site, television(any_site))
    allow(any_site, codes, user)
    now = any_site.clock.now
    end_everything(any_site.run, user, EndReason.SIGN_OUT_EVERYWHERE, now)
    refused(codes.poll(), "invalid_grant")


def test_tokens_are_for_the_resources_that_were_asked_for(any_site):
    site = any_site
    user = site.user()
    notes, mail = "https://notes.example.com", "https://mail.example.com"
    for uri in (notes, mail):
        site.client(resource=uri)
    tv = television(site)
    answer = site.post(AUTHORIZATION, [("resource", notes), ("resource", mail)], tv)
    codes = Codes(site, tv, answer.json)
    allow(site, codes, user)
    refused(codes.poll(resource="https://x.example"), "invalid_target")
    assert claims(codes.poll(resource=notes).json["access_token"])["aud"] == notes


@pytest.mark.clause("rfc8628-3.5-05")
def test_of_two_that_redeem_at_once_one_gets_tokens(any_site, monkeypatch):
    """Both have read the row before either wrote."""
    user = any_site.user()
    codes = ask(any_site, television(any_site))
    allow(any_site, codes, user)
    find, first = store.find, []

    def slowly(connection, digest):
        found = find(connection, digest)
        monkeypatch.setattr(store, "find", find)
        first.append(codes.poll())
        return found

    monkeypatch.setattr(store, "find", slowly)
    refused(codes.poll(), "invalid_grant")
    assert first[0].status_code == 200
    assert len(everything(any_site)["sessions"]) == 1


def test_a_code_is_not_used_up_by_an_exchange_that_fails_half_way(any_site, monkeypatch):
    user = any_site.user()
    codes = ask(any_site, television(any_site))
    allow(any_site, codes, user)

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "create", fail)
        assert codes.poll().status_code == 503
    assert codes.poll().status_code == 200


def test_neither_database_nor_log_holds_a_code(any_site, capsys):
    user = any_site.user()
    codes = ask(any_site, television(any_site))
    codes.poll()
    allow(any_site, codes, user)
    codes.poll()
    codes.poll()
    kept = repr(everything(any_site)) + capsys.readouterr().err
    assert "device_code_refused" in kept
    code = codes.user_code
    for secret in (codes.told["device_code"], code, code.replace("-", "")):
        assert secret.removeprefix("prn_dc_") not in kept


def test_rows_go_an_hour_after_their_end(any_site):
    codes = ask(any_site, television(any_site))
    any_site.clock.advance(seconds=LIFE // 1000 + 3599)
    PURGE.work(any_site.run)
    refused(codes.poll(), "expired_token")
    any_site.clock.advance(seconds=1)
    PURGE.work(any_site.run)
    assert everything(any_site)[ROWS] == []
    refused(codes.poll(), "invalid_grant")
    assert PURGE in FEATURE.jobs


@pytest.mark.clause("rfc8628-4-01")
def test_metadata_says_where_devices_ask(site):
    found = site.http.get("/.well-known/oauth-authorization-server").json
    assert found["device_authorization_endpoint"] == ISSUER + AUTHORIZATION
    assert GRANT in found["grant_types_supported"]


def test_no_value_shows_a_code():
    assert repr(use_case.Poll("prn_dc_secret", (), Device())).find("secret") < 0
    assert DeviceRequest.__repr__ is object.__repr__
