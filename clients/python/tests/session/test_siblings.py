"""Several processes with one store: here, several sessions that know nothing of each other."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from clients.python.tests.session.world import ISSUER, SECONDS, Party, answer, until
from perennial import flow
from perennial.book import State
from perennial.driver import Driver, new_key
from perennial.errors import OfflineError, ReauthRequired, SignedOut
from perennial.messages import TransportError
from perennial.record import read


def stored(party):
    return read(party.store.read(), {})


def on_its_way(party, session):
    """A refresh of a sibling whose answer has not come yet."""
    late = Driver(party.store, session.server, party.clock)
    doing = flow.refresh(stored(party), lambda _: True, new_key)
    step = next(doing)
    while not isinstance(step, flow.Send):
        step = doing.send(late._do(step))
    return late, doing, late._do(step)


def to_the_end(driver, doing, step):
    while True:
        done = driver._do(step)
        try:
            step = doing.send(done)
        except StopIteration as end:
            return end.value


def test_what_a_sibling_fetched_is_used_without_asking(party):
    first, second = party.signed_in(), party.session()
    second.token()
    party.clock.advance(900)
    assert first.token() == "a1"
    assert second.token() == "a1"
    assert len(party.server.refreshes) == 1
    assert [event.source for event in party.told("refreshed")] == ["network", "sibling"]


def test_siblings_at_the_same_moment_make_one_refresh(party):
    sessions = [party.signed_in(), *(party.session() for _ in range(7))]
    for number in range(1, 20):
        party.clock.advance(900)
        with ThreadPoolExecutor(len(sessions)) as crowd:
            assert set(crowd.map(lambda each: each.token(), sessions)) == {f"a{number}"}
        assert len(party.server.refreshes) == number


class Unlocked:
    """A store without locks: whoever asks for one does not get it."""

    def __init__(self, store):
        self.read, self.swap = store.read, store.swap

    def lock(self, timeout):
        return self

    def __enter__(self):
        return False

    def __exit__(self, *_):
        pass


def test_without_a_lock_siblings_send_the_same_token_with_the_same_key(party):
    party.store = Unlocked(party.store)
    sessions = [party.signed_in(), *(party.session() for _ in range(5))]
    for number in range(1, 20):
        party.clock.advance(900)
        with ThreadPoolExecutor(len(sessions)) as crowd:
            assert set(crowd.map(lambda each: each.token(), sessions)) == {f"a{number}"}
    assert party.server.ended is None
    pairs = {
        (form.get("refresh_token"), key)
        for form, key in zip(party.server.forms, party.server.keys, strict=True)
        if "refresh_token" in form
    }
    assert len(pairs) == 19, "one key for each token"


def test_without_a_lock_a_server_that_does_not_repeat_is_not_asked():
    party = Party(replays=False)
    party.store = Unlocked(party.store)
    session = party.signed_in()
    party.clock.advance(900)
    with pytest.raises(Exception, match="another process"):
        session.token(timeout=0.05)
    assert party.server.refreshes == []


@pytest.mark.parametrize("steps", range(5))
def test_a_crash_after_any_step_loses_nothing(party, steps):
    """Reading, writing the intent, sending, storing: the process is gone after so many of them."""
    session = party.signed_in()
    party.clock.advance(900)
    dying = Driver(party.store, session.server, party.clock)
    doing = flow.refresh(stored(party), lambda _: True, new_key)
    step = next(doing)
    for _ in range(steps):
        done = dying._do(step)
        try:
            step = doing.send(done)
        except StopIteration:
            break
    doing.close()
    relaunched = party.session()
    assert relaunched.token() == "a1"
    assert len({form["refresh_token"] for form in party.server.refreshes}) == 1
    assert len(set(party.server.keys[1:])) == 1
    party.clock.advance(900)
    assert relaunched.token() == "a2"
    assert party.server.ended is None


def test_a_refusal_is_checked_against_what_a_sibling_stored_meanwhile(party):
    """The sibling's answer was on its way when ours said that the token is used up."""
    session, sibling = party.signed_in(), party.session()
    sibling.token()
    party.clock.advance(900)

    def used_up(form):
        sibling.adopt({"access_token": "other", "token_type": "Bearer", "expires_in": 900})
        return answer({"error": "invalid_grant"}, 400)

    party.server.plan.append(used_up)
    assert session.token() == "other"
    assert session.state is State.ACTIVE


def test_the_answer_of_a_sibling_that_comes_late_still_counts(party):
    session = party.signed_in()
    party.clock.advance(900)
    late, doing, granted = on_its_way(party, session)
    party.server.plan.append(answer({"error": "invalid_grant", "reason": "session_ended"}, 400))
    with pytest.raises(ReauthRequired):
        session.token()
    step = doing.send(granted)
    to_the_end(late, doing, step)
    assert session.token() == "a1"
    assert session.state is State.ACTIVE


def test_an_answer_that_comes_late_does_not_undo_what_siblings_went_on_to(party):
    session = party.signed_in()
    party.clock.advance(900)
    late, doing, granted = on_its_way(party, session)
    for number in (1, 2):
        assert session.token() == f"a{number}"
        party.clock.advance(900)
    step = doing.send(granted)
    assert to_the_end(late, doing, step).record.access_token == "a2"
    assert stored(party).access_token == "a2"
    assert session.token() == "a3"


def test_metadata_are_asked_for_before_the_lock_is_taken(party):
    """Whoever waits for the lock waits for one request and not for two."""
    party.signed_in()
    party.clock.advance(900)
    session, seen = party.session(), []

    def watching(request):
        with party.store.lock(0) as free:
            seen.append((request.url.removeprefix(ISSUER), free))
        return party.server(request)

    session.server._transport = watching
    assert session.token() == "a1"
    assert seen == [("/.well-known/oauth-authorization-server", True), ("/token", False)]


def test_nothing_is_written_while_the_server_cannot_be_found(party):
    party.signed_in()
    party.clock.advance(900)
    party.server.away = True
    with pytest.raises(OfflineError):
        party.session().token(timeout=0.05)
    assert stored(party).intent is None
    party.server.away = False
    assert party.session().token() == "a1"


def test_who_signed_out_is_told_so_without_network(party):
    party.signed_in().logout()
    party.server.away = True
    for _ in range(2):
        with pytest.raises(SignedOut):
            party.session().token(timeout=0.05)


def test_an_intent_is_written_once(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.away = True
    for _ in range(3):
        with pytest.raises(OfflineError):
            session.token(timeout=0.05)
    assert party.store.read().version == 2


# --- signing out ----------------------------------------------------------------------------------


def test_signing_out_revokes_clears_and_is_seen_by_siblings(party):
    session, sibling = party.signed_in(), party.session()
    sibling.token()
    assert session.logout() is True
    assert party.server.revoked == ["r0"]
    assert session.state is State.SIGNED_OUT
    assert "r0" not in party.store.read().document
    with pytest.raises(SignedOut) as here:
        session.token()
    party.clock.advance(900)
    with pytest.raises(SignedOut) as there:
        sibling.token()
    assert (here.value.initiator, there.value.initiator) == ("user", "sibling")
    assert party.server.refreshes == []


def test_signing_out_wins_over_a_refresh_on_its_way(party):
    session = party.signed_in()
    party.clock.advance(900)
    party.server.gate.clear()
    with ThreadPoolExecutor(2) as crowd:
        waiting = crowd.submit(session.token)
        until(lambda: party.server.refreshes)
        leaving = crowd.submit(session.logout)
        until(lambda: session.state is State.SIGNED_OUT)
        party.server.gate.set()
        assert leaving.result(SECONDS)
        with pytest.raises(SignedOut):
            waiting.result(SECONDS)
    assert set(party.server.revoked) == {"r0", "r1"}, "what came too late belongs to nobody"
    assert stored(party).refresh_token is None


def test_what_the_server_could_not_be_told_it_is_told_later(party):
    session = party.signed_in()
    party.server.away = True
    assert session.logout() is False
    party.server.away = False
    for _ in range(2):  # once is enough
        later = party.session()
        with pytest.raises(SignedOut):
            later.token()
        party.settled(later)
        assert party.server.revoked == ["r0"]
        assert "r0" not in party.store.read().document


def test_waking_tells_the_server_what_it_could_not_be_told(party):
    session = party.signed_in()
    party.server.away = True
    assert session.logout() is False
    party.server.away = False
    for _ in range(2):
        session.wake()
        party.settled(session)
    assert party.server.revoked == ["r0"]
    assert session.state is State.SIGNED_OUT


def test_signing_in_as_somebody_else_during_a_refresh_is_not_undone(party):
    session, sibling = party.signed_in(), party.session()
    party.clock.advance(900)
    other = {
        "access_token": "bob",
        "refresh_token": "b0",
        "token_type": "Bearer",
        "expires_in": 900,
    }

    def meanwhile(form):
        sibling.adopt(other)
        return party.server.grant(form)

    party.server.plan.append(meanwhile)
    assert session.token() == "bob"
    party.settled(session)
    assert stored(party).refresh_token == "b0"
    assert party.server.revoked == ["r1"]


def test_a_store_that_lost_its_file_gets_the_session_back(party):
    session = party.signed_in()
    party.store._kept = None
    party.clock.advance(900)
    assert session.token() == "a1"
    assert party.session().token() == "a1"


def test_a_lost_revocation_does_not_stop_signing_in_again(party):
    session = party.signed_in()
    party.server.metadata["revocation_endpoint"] = None
    assert session.logout() is True
    session.sign_in_with_password("alice", "correct horse")
    assert session.token() == "a0"


def test_a_first_answer_that_never_left_is_no_reason_to_wait_for_a_strict_server():
    party = Party(replays=False)
    session = party.signed_in()
    party.clock.advance(700)
    party.server.plan.append(TransportError("refused", reached=False))
    assert session.token() == "a0"
    party.settled(session)
    party.clock.advance(31)
    assert session.token() == "a0"
    assert party.settled(session).token() == "a1"


def test_a_strict_server_is_asked_again_only_when_it_has_to_be():
    """The repetition may end the session: until the access token has expired it is not worth that."""
    party = Party(replays=False)
    session = party.signed_in()
    party.clock.advance(700)
    party.server.plan.append(TransportError("reset"))
    assert session.token() == "a0"
    party.settled(session)
    party.clock.advance(150)
    assert session.token() == "a0"
    assert len(party.settled(session) and party.server.refreshes) == 1
    party.clock.advance(50)
    assert session.token() == "a1"


def test_in_its_last_seconds_a_token_serves_while_a_strict_server_is_spared():
    party = Party(replays=False)
    session = party.signed_in()
    party.clock.advance(891)
    party.server.plan.append(TransportError("reset"))
    assert session.token() == "a0"
    party.settled(session)
    party.clock.advance(5)
    assert session.token() == "a0"
    session.wake()
    assert len(party.settled(session) and party.server.refreshes) == 1
    party.clock.advance(4)
    assert session.token() == "a1"
