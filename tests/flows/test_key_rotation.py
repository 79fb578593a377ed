"""`perennial keys rotate --now` while clients refresh on several workers."""

import re

import jwt
import pytest

from tests.flows.caller import Caller
from tests.flows.enrolment import enrol
from tests.flows.loops import Refresher, refreshing, wait_for_progress
from tests.live import LiveServer
from tests.servers import wait_until

ROTATIONS = 3
NOTICED = 5  # seconds, CONTRACT section 5


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def rotate(server: LiveServer, refreshers: list[Refresher]) -> str:
    """Promote the next key and wait until it signs for every client; its kid."""
    rotated = server.cli("keys", "rotate", "--now")
    assert rotated.returncode == 0, rotated.stderr
    promoted = re.match(r"key (\S+) signs from ", rotated.stdout)
    assert promoted is not None, rotated.stdout
    wait_until(
        lambda: all(kid_of(each.access_tokens[-1]) == promoted[1] for each in refreshers),
        f"every new token signed by {promoted[1]}",
        seconds=NOTICED,
    )
    return promoted[1]


@pytest.mark.clause("rfc7517-4.5-01", "rfc9068-4-01")
def test_keys_turn_over_under_load_and_nobody_notices(server):
    account = enrol(server)
    with refreshing(account, 3) as refreshers:
        wait_for_progress(refreshers)
        kids = [kid_of(refreshers[0].access_tokens[0])]
        for _ in range(ROTATIONS):
            kids.append(rotate(server, refreshers))
            wait_for_progress(refreshers, 10)
    assert len(set(kids)) == ROTATIONS + 1
    published = jwt.PyJWKClient(f"{server.url}/.well-known/jwks.json")
    caller = Caller(account)
    for refresher in refreshers:
        assert refresher.is_signed_in()
        assert refresher.unanswered == 0
        signed_by = [kid_of(token) for token in refresher.access_tokens]
        assert list(dict.fromkeys(signed_by)) == kids, "each key signs for everybody, in turn"
        for kid in kids:
            oldest = refresher.access_tokens[signed_by.index(kid)]
            key = published.get_signing_key_from_jwt(oldest)
            jwt.decode(oldest, key, algorithms=["RS256"], audience=server.url)
            assert caller.is_active(oldest)
    caller.close()
