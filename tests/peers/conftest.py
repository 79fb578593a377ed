"""A live server, people and clients on it, and the tokens a verifier has to tell apart."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import jwt
import pytest

from tests.flows.caller import Account
from tests.flows.enrolment import enrol
from tests.live import LiveServer
from tests.servers import wait_until

AUDIENCE = "https://notes.example.com"
STATUS_TTL = 1


@dataclass
class Issuer:
    """One live server, as a resource server of `AUDIENCE` knows it."""

    server: LiveServer
    account: Account
    api: Account

    @property
    def url(self) -> str:
        return self.server.url

    def sign_in(self, resource: str = AUDIENCE) -> dict[str, str]:
        person = {"username": self.account.username, "password": self.account.password}
        fields = {"grant_type": "password", "resource": resource, **person}
        answer = httpx.post(f"{self.url}/oauth/token", data=fields, auth=self.account.basic)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, resource: str = AUDIENCE) -> str:
        return self.sign_in(resource)["access_token"]

    def rotate(self) -> str:
        """A token that the next key signed."""
        before = kid(self.token())
        rotated = self.server.cli("keys", "rotate", "--now")
        assert rotated.returncode == 0, rotated.stderr

        def signed_anew() -> str | None:
            token = self.token()
            return token if kid(token) != before else None

        return wait_until(signed_anew, "a token signed by the next key", seconds=10)

    def revoke(self, refresh_token: str) -> None:
        form = {"token": refresh_token}
        answer = httpx.post(f"{self.url}/oauth/revoke", data=form, auth=self.account.basic)
        assert answer.status_code == 200, answer.text


def kid(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def tampered(token: str) -> str:
    """One bit of the signature differs."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    env = {"PERENNIAL_STATUS_TTL": str(STATUS_TTL)}
    with LiveServer(tmp_path_factory.mktemp("issuer"), env=env) as server:
        api = enrol(server, resource=AUDIENCE)
        enrol(server, resource="https://other.example.com")
        yield Issuer(server, enrol(server), api)


@pytest.fixture
def tells_apart(issuer: Issuer):
    """`status(token)` is what a verifier answers: 200 for a good token, 401 for any other."""

    def check(status, *, wrong_audience=401):
        first = issuer.token()
        assert status(first) == 200
        assert status(tampered(first)) == 401
        assert status(issuer.token("https://other.example.com")) == wrong_audience
        second = issuer.rotate()
        assert kid(second) != kid(first)
        assert status(second) == 200, "signed by the next key"
        assert status(first) == 200, "the key before is still published"
        assert status(tampered(second)) == 401
        assert status("a.b.c") == 401

    return check
