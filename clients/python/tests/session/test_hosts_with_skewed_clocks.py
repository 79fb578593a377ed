"""One refresh per lifetime."""

from clients.python.tests.session.world import Party


class Ahead:
    def __init__(self, clock, seconds):
        self._clock, self._seconds = clock, seconds

    def wall(self):
        return self._clock.wall() + self._seconds

    def __getattr__(self, name):
        return getattr(self._clock, name)


def test_two_hosts_do_not_refresh_each_others_tokens():
    party = Party(lifetime=300)
    here = party.signed_in()
    there = party.session(clock=Ahead(party.clock, -160))
    for _ in range(20):
        for host in (here, there):
            host.token()
            party.settled(host)
            host.restore()
    assert len(party.server.refreshes) <= 1, "no time has passed"
