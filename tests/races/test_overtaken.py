"""A request that is overtaken between its read and its write, at exactly that point."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from tests.races.crowd import HUNG, in_threads

CROWD = 8
SWAP = "UPDATE sessions"
KEY = "a-key-of-one-token-0001"


class Gate:
    """Holds the first swap of a site, just before it reaches the database, until `open`."""

    def __init__(self, site) -> None:
        self.reached, self._opened = threading.Event(), threading.Event()
        event.listen(site.run.rotations, "before_cursor_execute", self._hold)

    def _hold(self, connection, cursor, statement, *_):
        if statement.startswith(SWAP) and not self.reached.is_set():
            self.reached.set()
            assert self._opened.wait(HUNG), "the gate was never opened"

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def overtake(make_any_site):
    """Lets something happen on another host while a refresh is between its read and its write.

    Answers (that refresh's answer, what the other thing came to).
    """
    slow, quick = make_any_site(), make_any_site()
    slow.user()
    client = slow.client()
    token = slow.sign_in(client)["refresh_token"]

    def run(meanwhile):
        gate = Gate(slow)
        with ThreadPoolExecutor(1) as pool:
            refresh = pool.submit(slow.refresh, client, token, key=KEY)
            try:
                assert gate.reached.wait(HUNG)
                happened = meanwhile(quick, client, token)
            finally:
                gate.open()
            return refresh.result(HUNG), happened

    run.slow, run.site, run.client, run.token = slow, quick, client, token
    return run


def stored(site):
    with site.run.rotations.connect() as connection:
        return connection.execute(text("SELECT gen, revoke_reason FROM sessions")).one()


def refused(answer, reason) -> bool:
    assert answer.status_code == 400, answer.text
    return (answer.json["error"], answer.json["reason"]) == ("invalid_grant", reason)


def test_eight_that_read_the_same_row_before_anyone_wrote_share_one_successor(make_any_site):
    """The race itself, not a chance of it: nobody writes before everybody has read."""
    hosts = [make_any_site() for _ in range(CROWD)]
    hosts[0].user()
    client = hosts[0].client()
    token = hosts[0].sign_in(client)["refresh_token"]
    everybody_has_read = threading.Barrier(CROWD)

    def meet(connection, cursor, statement, *_):
        if statement.startswith(SWAP):
            everybody_has_read.wait(HUNG)

    for host in hosts:
        event.listen(host.run.rotations, "before_cursor_execute", meet)
    answers = in_threads([lambda host=host: host.refresh(client, token) for host in hosts])
    assert [answer.status_code for answer in answers] == [200] * CROWD
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert stored(hosts[0]) == (2, None)


def test_eight_that_heal_one_restored_row_share_one_successor(make_any_site):
    """After a fail-over that lost rotations, the crowd presents a token ahead of the row (R8)."""
    hosts = [make_any_site() for _ in range(CROWD)]
    hosts[0].user()
    client = hosts[0].client()
    token = hosts[0].sign_in(client)["refresh_token"]
    for _ in range(4):
        token = hosts[0].refresh(client, token).json["refresh_token"]
    with hosts[0].run.transactions.begin() as connection:
        connection.execute(text("UPDATE sessions SET gen = 2"))
    answers = in_threads([lambda host=host: host.refresh(client, token) for host in hosts])
    assert [answer.status_code for answer in answers] == [200] * CROWD
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert stored(hosts[0]) == (6, None)


def test_a_request_overtaken_by_several_rotations_gets_the_newest_token(overtake):
    """Its token is three behind by then; but it was current when it was read (I8)."""

    def rotate_thrice(site, client, token):
        for _ in range(3):
            token = site.refresh(client, token).json["refresh_token"]
        return token

    answer, newest = overtake(rotate_thrice)
    assert answer.status_code == 200, answer.text
    assert answer.json["refresh_token"] == newest
    assert stored(overtake.site) == (4, None)


@pytest.mark.clause("rfc7009-2.1-07")
def test_a_refresh_overtaken_by_a_revocation_is_refused(overtake):
    answer, revoked = overtake(lambda site, client, token: site.revoke(client, token))
    assert revoked.status_code == 200
    assert refused(answer, "session_ended")
    assert stored(overtake.site) == (1, "revoked_by_client")


def test_a_refresh_overtaken_by_the_end_for_reuse_is_refused(overtake):
    def reuse(site, client, token):
        newest = token
        for _ in range(2):
            newest = site.refresh(client, newest).json["refresh_token"]
        return site.refresh(client, token)

    answer, reused = overtake(reuse)
    assert refused(reused, "session_reused")
    assert refused(answer, "session_reused")
    assert stored(overtake.site) == (3, "token_reused")


def test_a_refresh_overtaken_by_a_disabled_account_brings_nothing_that_works(overtake):
    def disable(site, client, token):
        with site.run.transactions.begin() as connection:
            connection.execute(text("UPDATE users SET disabled_at = 1"))

    answer, _ = overtake(disable)
    assert answer.status_code in {200, 400}
    for token in (answer.json.get("refresh_token"), overtake.token):
        if token is not None:
            assert refused(overtake.site.refresh(overtake.client, token), "session_ended")
            assert not overtake.site.introspect(overtake.client, token)["active"]


def test_a_refresh_that_loses_its_swap_is_as_good_as_one_that_wins_it(overtake):
    """The answer of an overtaken request can be lost too: its token is good for another one."""
    answer, _ = overtake(lambda site, client, token: site.refresh(client, token))
    assert answer.status_code == 200
    again = overtake.site.refresh(overtake.client, answer.json["refresh_token"])
    assert again.status_code == 200
    assert stored(overtake.site) == (3, None)


def rotate_once(site, client, token):
    return site.refresh(client, token).json["refresh_token"]


def asked_to_come_again(answer, site) -> bool:
    return answer.status_code == 503 and stored(site) == (2, None)


def test_a_request_suspended_for_longer_than_the_window_ends_nothing(overtake):
    """It was acceptable at its first read, so it is not the one that ends the session (I8)."""

    def rotate_and_wait(site, client, token):
        rotate_once(site, client, token)
        overtake.slow.clock.advance(seconds=61)

    answer, _ = overtake(rotate_and_wait)
    assert asked_to_come_again(answer, overtake.site)


def test_two_first_presentations_at_once_end_nothing_in_the_strict_profile(make_any_site):
    slow, quick = make_any_site(reuse_grace=0), make_any_site(reuse_grace=0)
    slow.user()
    client = slow.client()
    token = slow.sign_in(client)["refresh_token"]
    gate = Gate(slow)
    with ThreadPoolExecutor(1) as pool:
        refresh = pool.submit(slow.refresh, client, token)
        try:
            assert gate.reached.wait(HUNG)
            rotate_once(quick, client, token)
        finally:
            gate.open()
        assert asked_to_come_again(refresh.result(HUNG), quick)
