"""What awaits in a loop that is not asyncio's, as trio's."""

import pytest

from perennial.errors import ConfigError


@pytest.mark.parametrize("seconds", [0, 900])
def test_who_awaits_without_asyncio_hears_it_at_once_and_not_when_the_token_expires(party, seconds):
    session = party.signed_in()
    lease = session.lease()
    party.clock.advance(seconds)
    for waiting in (session.atoken(), session.alease(), session.arenew(lease)):
        with pytest.raises(ConfigError, match="asyncio"):
            waiting.send(None)
    party.settled(session)
    assert party.server.refreshes == []
