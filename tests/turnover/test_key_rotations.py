"""Keys that turn over every five seconds under load: no token is met that cannot be verified.

The verifier reads the key set only when the time it was told to keep it is over, never because a
key is missing from it, and looks at each token when it is new and again just before its end.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest

from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.live import LiveServer
from tests.scale import FULL, record, scaled
from tests.servers import wait_until

pytestmark = pytest.mark.proof

INTERVAL = TOKEN_LIFE = 5
KNOWN_AFTER = 1 + 30  # max-age and margin
PUBLISHED_AHEAD = 1 + (KNOWN_AFTER - INTERVAL) // INTERVAL
ROTATIONS = scaled(1, 20)
SESSIONS = scaled(2, 4)
LAST_LOOK = 0.5  # seconds before a token's end
PERIOD = {
    "PERENNIAL_KEY_ROTATION_INTERVAL": str(INTERVAL),
    "PERENNIAL_ACCESS_TOKEN_TTL": str(TOKEN_LIFE),
    "PERENNIAL_JWKS_MAX_AGE": "1",
}


def key_set(server) -> list[dict[str, str]]:
    return httpx.get(f"{server.url}/.well-known/jwks.json").json()["keys"]


class Verifier:
    """Keeps the set as long as it was told to; counts what it could not verify."""

    def __init__(self, server):
        self._uri = f"{server.url}/.well-known/jwks.json"
        self._issuer = server.url
        self._http = httpx.Client()
        self._keys, self._until = {}, 0.0
        self.verified, self.failures = 0, []
        self.signed = set()

    def close(self):
        self._http.close()

    def look(self, token):
        now = time.monotonic()
        if now >= self._until:
            answer = self._http.get(self._uri)
            age = int(answer.headers["Cache-Control"].partition("max-age=")[2])
            self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(answer.json()).keys}
            self._until = now + age
        kid = jwt.get_unverified_header(token)["kid"]
        self.signed.add(kid)
        try:
            # A machine that is busy may look late: then the key has to be there all the same.
            options = {"verify_exp": False, "verify_iat": False}
            jwt.decode(token, self._keys[kid], ["RS256"], options, audience=self._issuer)
            self.verified += 1
        except (KeyError, jwt.InvalidTokenError) as error:
            self.failures.append((kid, repr(error)))


def life(server, account, end) -> Verifier:
    """One session that is refreshed all the time, and the verifier that sees its tokens."""
    caller, verifier = Caller(account), Verifier(server)
    answer, kept = caller.sign_in(), []
    while len(verifier.signed) <= ROTATIONS and time.monotonic() < end:
        token = answer["access_token"]
        verifier.look(token)
        kept.append((time.monotonic() + TOKEN_LIFE - LAST_LOOK, token))
        while kept and kept[0][0] <= time.monotonic():
            verifier.look(kept.pop(0)[1])
        refreshed = caller.refresh(answer["refresh_token"])
        assert refreshed.status == 200, refreshed
        answer = refreshed.body
    caller.close()
    verifier.close()
    return verifier


def test_no_verification_fails_while_keys_turn_over(tmp_path, database_url):
    began = time.monotonic()
    with LiveServer(tmp_path, workers=2, database_url=database_url, env=PERIOD) as server:
        account = enrol(server)
        if not FULL:  # no verifier has read the set yet, so nobody was promised anything
            wait_until(lambda: len(key_set(server)) > PUBLISHED_AHEAD, "keys for the next turns")
            moved = httpx.post(f"{server.url}/dev/clock", json={"advance": KNOWN_AFTER})
            assert moved.status_code == 200, moved.text
        end = began + 2 * (KNOWN_AFTER + INTERVAL * ROTATIONS)  # if they do not turn over
        with ThreadPoolExecutor(SESSIONS) as pool:
            seen = list(pool.map(lambda _: life(server, account, end), range(SESSIONS)))
    failures = [failure for verifier in seen for failure in verifier.failures]
    signed = set().union(*(verifier.signed for verifier in seen))
    assert failures == []
    assert len(signed) > ROTATIONS, "the keys did turn over"
    database = "PostgreSQL" if "postgresql" in database_url else "SQLite"
    record(
        "keys that turn over under load",
        database,
        {
            "rotations": len(signed) - 1,
            "verifications": sum(verifier.verified for verifier in seen),
            "failed": len(failures),
        },
    )
