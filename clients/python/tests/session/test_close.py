"""`close` waits for a refresh on its way, and for nothing that will not come."""

from clients.python.tests.session.world import answer


def test_a_listener_may_close_the_session(party):
    waited = []

    def close(event):
        if event.name == "refreshed":
            landed = session._engine._hangar.last.landed
            landed.wait = waited.append
            session.close()
            del landed.wait

    session = party.signed_in(on_event=close)
    party.clock.advance(900)
    assert session.token() == "a1"
    party.settled(session)
    assert waited == [], "the refresh waited for itself"


def test_a_refresh_is_over_though_what_follows_it_breaks(party, monkeypatch):
    def breaks(_):
        raise ValueError("of a store")

    session = party.signed_in()
    monkeypatch.setattr(session._engine._entry, "pay", breaks)
    party.clock.advance(900)
    assert session.token() == "a1"
    assert session._engine._hangar.last.landed.wait(5)


def test_a_sign_in_is_one_though_the_transport_breaks_when_it_revokes_the_old_session(party):
    asked = []

    def transport(request):
        if not request.url.endswith("/revoke"):
            return party.server(request)
        asked.append(request)
        if len(asked) < 3:
            raise ValueError("of a proxy")
        return answer({})

    session = party.session(transport=transport)
    session.adopt({"access_token": "x", "refresh_token": "old", "token_type": "Bearer"})
    assert session.logout() is False
    session.adopt(
        {"access_token": "a0", "refresh_token": "r0", "token_type": "Bearer", "expires_in": 900}
    )
    assert session.token() == "a0"
    party.clock.advance(900)
    assert session.token() == "a1"
    party.settled(session)
    assert len(asked) == 3, "the server is told as soon as it can be"
