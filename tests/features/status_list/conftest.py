"""People who are signed in at two hosts on one database."""

import pytest

from tests.protocol.expect import claims
from tests.site import Site
from tests.verifier import OfflineVerifier


class Hosts:
    """Two hosts, one of which does everything; their clocks go together."""

    def __init__(self, *sites: Site) -> None:
        self.sites = sites
        self.main = sites[0]
        self.main.user()
        self.client = self.main.client()

    def sign_in(self, name="alice"):
        return self.main.sign_in(self.client, name)

    def pass_time(self, seconds):
        for site in self.sites:
            site.clock.advance(seconds)

    def bits(self, token):
        """What each host publishes of this token's session now."""
        place = claims(token)["status"]["status_list"]
        return [
            OfflineVerifier.of_site(site).bit(place["uri"], place["idx"]) for site in self.sites
        ]


@pytest.fixture
def hosts(make_any_site) -> Hosts:
    return Hosts(make_any_site(), make_any_site())


def path(token) -> str:
    return claims(token)["status"]["status_list"]["uri"].removeprefix("https://id.example.com")
