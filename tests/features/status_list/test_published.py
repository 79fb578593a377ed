"""The published list: signed, cacheable, the same from everybody, and never a step back."""

import gzip
import zlib
from base64 import urlsafe_b64decode

import jwt
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from app.core.sessions import DAY
from app.core.status_list import SIZE, name
from app.features.status_list.jobs import DROP
from tests.features.status_list.conftest import path
from tests.protocol.expect import claims, header
from tests.site import ISSUER
from tests.verifier import OfflineVerifier

CHECKS = {"verify_exp": False, "verify_iat": False}
NOTHING = "/oauth/status/" + name(1)


@pytest.fixture
def token(hosts):
    return hosts.sign_in()["access_token"]


def get(site, where, **headers):
    return site.http.get(where, headers={key.replace("_", "-"): headers[key] for key in headers})


@pytest.mark.clause(
    "draft-status-list-4.2-01",
    "draft-status-list-5.1-01",
    "draft-status-list-5.1-02",
    "draft-status-list-5.1-03",
    "draft-status-list-5.1-04",
)
@pytest.mark.clause(
    "draft-status-list-5.1-05",
    "draft-status-list-5.1-06",
    "draft-status-list-5.1-07",
    "draft-status-list-8.2-01",
)
def test_the_list_is_a_jwt_of_the_drafts_type_and_claims(hosts, token):
    answer = get(hosts.main, path(token))
    assert answer.status_code == 200
    assert answer.content_type == "application/statuslist+jwt"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    keys = jwt.PyJWKSet.from_dict(hosts.main.http.get("/.well-known/jwks.json").json)
    found = header(answer.text)
    assert (found["typ"], found["alg"]) == ("statuslist+jwt", "RS256")
    key = keys[found["kid"]]
    said = jwt.decode(answer.text, key, algorithms=["RS256"], options=CHECKS)
    now = hosts.main.clock() // 1000
    assert set(said) == {"sub", "iat", "exp", "ttl", "status_list"}
    assert said["sub"] == ISSUER + path(token)
    assert now - 10 <= said["iat"] <= now
    assert said["exp"] > now + said["ttl"]
    assert said["ttl"] == 60
    assert set(said["status_list"]) == {"bits", "lst"}
    lst = said["status_list"]["lst"]
    assert zlib.decompress(urlsafe_b64decode(lst + "=" * (-len(lst) % 4))) == bytes(SIZE // 8)


def test_a_verifier_accepts_a_session_until_its_next_list_says_that_it_ended(hosts):
    tokens = hosts.sign_in()
    verifier = OfflineVerifier.of_site(hosts.main)
    assert verifier.accepts(tokens["access_token"])
    hosts.main.revoke(hosts.client, tokens["refresh_token"])
    hosts.pass_time(59)
    assert verifier.accepts(tokens["access_token"])
    hosts.pass_time(1)
    assert not verifier.accepts(tokens["access_token"])
    assert verifier.fetches == 2


def test_the_list_may_be_cached_as_long_as_announced(make_site):
    site = make_site(status_ttl=7)
    site.user()
    token = site.sign_in(site.client())["access_token"]
    answer = get(site, path(token))
    cache = {item.strip() for item in answer.headers["Cache-Control"].split(",")}
    assert cache == {"public", "max-age=7"}
    assert claims(answer.text)["ttl"] == 7
    assert "Set-Cookie" not in answer.headers


def test_the_same_list_has_the_same_tag_from_every_host(hosts, token):
    first, second = (get(site, path(token)) for site in hosts.sites)
    assert first.headers["ETag"] == second.headers["ETag"]
    assert first.headers["ETag"].startswith("W/")
    again = get(hosts.sites[1], path(token), If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


def test_an_ending_changes_the_tag(hosts):
    tokens = hosts.sign_in()
    where = path(tokens["access_token"])
    tag = get(hosts.main, where).headers["ETag"]
    hosts.main.revoke(hosts.client, tokens["refresh_token"])
    hosts.pass_time(0.5)
    changed = get(hosts.main, where, If_None_Match=tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_dates_move_on_though_nothing_ends(hosts, token):
    dates = []
    for _ in range(20):
        said = claims(get(hosts.main, path(token)).text)
        assert said["exp"] * 1000 >= hosts.main.clock() + 60_000
        dates.append(said["iat"])
        hosts.pass_time(2)
    assert dates == sorted(dates)
    assert len(set(dates)) == 4


@pytest.mark.clause("draft-status-list-8.2-02")
def test_a_list_is_zipped_for_who_can_unzip(hosts, token):
    plain = get(hosts.main, path(token))
    zipped = get(hosts.main, path(token), Accept_Encoding="br, gzip")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data).decode() == plain.text
    refused = get(hosts.main, path(token), Accept_Encoding="gzip;q=0")
    for answer in (plain, refused):
        assert "Content-Encoding" not in answer.headers
        assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("where", [NOTHING, "/oauth/status/x", "/oauth/status/" + "F" * 16])
def test_an_unknown_list_is_not_found(hosts, where):
    for site in hosts.sites:
        answer = get(site, where)
        assert answer.status_code == 404
        assert answer.mimetype == "application/json"
        assert answer.json["error"] == "invalid_request"


@pytest.mark.clause("draft-status-list-8.4-01")
def test_lists_of_the_past_are_not_kept(hosts, token):
    assert get(hosts.main, path(token) + "?time=1").status_code == 501


def test_a_list_is_no_access_token(hosts, token):
    text = get(hosts.main, path(token)).text
    assert hosts.main.introspect(hosts.client, text) == {"active": False}


def sql(site, statement, **values):
    with site.run.transactions.begin() as connection:
        connection.execute(text(statement), values)


def test_a_dropped_list_is_not_found_any_more(hosts, token):
    place = path(token)
    assert get(hosts.main, place).status_code == 200
    sql(hosts.main, "UPDATE status_lists SET allotted = :n", n=SIZE)
    life = hosts.main.run.settings.session_ttl + hosts.main.run.settings.access_token_ttl
    hosts.pass_time(life + DAY // 1000 - 1)
    DROP.work(hosts.main.run)
    assert get(hosts.main, place).status_code == 200
    hosts.pass_time(1)
    DROP.work(hosts.main.run)
    for site in hosts.sites:
        assert get(site, place).status_code == 404


def test_a_list_is_signed_by_a_key_that_is_published(hosts, token):
    """Also when the one that signed it last was superseded and taken back within a step."""
    main = hosts.main
    former = header(get(main, path(token)).text)["kid"]
    hosts.pass_time(5)
    now = main.clock()
    main.run.ceremony().rotate(at_once=True, called_at=now, now=now)
    main.run.ceremony().retire(former, now)
    main.run.keystore.forget()
    current = header(get(main, path(token)).text)["kid"]
    assert current != former
    assert current in {key["kid"] for key in main.http.get("/.well-known/jwks.json").json["keys"]}


def test_a_list_takes_nothing_back(hosts):
    """A database that was set back has forgotten an ending; who has published it has not."""
    tokens = hosts.sign_in()
    hosts.main.revoke(hosts.client, tokens["refresh_token"])
    assert hosts.bits(tokens["access_token"]) == [1, 1]
    sql(hosts.main, "UPDATE sessions SET revoked_at = NULL, revoke_reason = NULL")
    for seconds in (1, 3600):
        hosts.pass_time(seconds)
        assert hosts.bits(tokens["access_token"]) == [1, 1]


def end_late(hosts, moment):
    """An ending that was dated at this moment and is committed now."""
    sql(hosts.main, "UPDATE sessions SET revoked_at = :moment", moment=moment)


def test_an_ending_that_is_committed_long_after_it_was_dated_is_published(hosts, token):
    assert hosts.bits(token) == [0, 0]
    dated = hosts.main.clock()
    for _ in range(20):
        hosts.pass_time(1)
        assert hosts.bits(token) == [0, 0]
    end_late(hosts, dated)
    hosts.pass_time(0.5)
    assert hosts.bits(token) == [1, 1]


def test_an_ending_of_a_process_that_stood_still_is_published_in_the_end(hosts, token):
    assert hosts.bits(token) == [0, 0]
    dated = hosts.main.clock()
    hosts.pass_time(300)
    assert hosts.bits(token) == [0, 0]
    end_late(hosts, dated)
    hosts.pass_time(301)
    assert hosts.bits(token) == [1, 1]


@pytest.mark.parametrize("seconds", [200, 3600])
def test_an_ending_is_published_after_the_clock_was_set_back(hosts, seconds):
    hosts.pass_time(7200)
    tokens = hosts.sign_in()
    for _ in range(2):
        assert hosts.bits(tokens["access_token"]) == [0, 0]
        hosts.pass_time(300)
    hosts.pass_time(-300 - seconds)
    hosts.main.revoke(hosts.client, tokens["refresh_token"])
    assert hosts.bits(tokens["access_token"]) == [1, 1]


@pytest.fixture
def outage(hosts):
    """Switches the database of the first host off and on."""
    down = []

    def fail(_, __, statement, *___):
        if down:
            raise OperationalError(statement, {}, Exception("connection lost"))

    event.listen(hosts.main.run.rotations, "before_cursor_execute", fail)
    return down


def test_without_a_database_a_list_is_served_while_it_may_be_cached(hosts, token, outage):
    assert get(hosts.main, path(token)).status_code == 200
    outage.append(True)
    hosts.pass_time(59)
    answer = get(hosts.main, path(token))
    assert answer.status_code == 200
    assert "max-age=1" in answer.headers["Cache-Control"]
    assert claims(answer.text)["exp"] * 1000 > hosts.main.clock()
    hosts.pass_time(1)
    answer = get(hosts.main, path(token))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    outage.clear()
    assert get(hosts.main, path(token)).status_code == 200


def test_without_a_database_a_list_that_was_never_read_is_unavailable(hosts, token, outage):
    hosts.main.run.signer()
    outage.append(True)
    assert get(hosts.main, path(token)).status_code == 503


def test_lists_are_read_at_most_twice_a_second_and_signed_when_they_change(hosts, token):
    said: list[str] = []
    run = hosts.main.run
    get(hosts.main, path(token))
    hosts.pass_time(0.5)
    event.listen(
        run.rotations, "before_cursor_execute", lambda *args: said.append(args[2].split()[0])
    )
    texts = set()
    for _ in range(10):
        texts.add(get(hosts.main, path(token)).text)
        hosts.pass_time(0.1)
    assert said.count("SELECT") == 2
    assert len(texts) == 1


def test_a_list_may_never_be_kept_longer_than_its_ttl(hosts, token):
    """Two threads look at the clock in one order and at the list in the other."""
    site = hosts.main
    hosts.pass_time(10)
    for _ in range(2):
        answer = site.http.get(path(token))
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        hosts.pass_time(-0.05)
