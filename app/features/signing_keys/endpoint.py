"""GET /.well-known/jwks.json (RFC 7517): the public halves of the keys that sign or may soon."""

import json
from hashlib import sha256

from flask import Blueprint, Response
from flask import request as http

from app.core import keyring
from app.core.sessions import SECOND
from app.services.keystore import OUTDATED, UnavailableError
from app.services.runtime import Runtime, runtime

PATH = "/.well-known/jwks.json"

blueprint = Blueprint("signing_keys", __name__)


@blueprint.get(PATH)
def jwks() -> Response:
    run = runtime()
    published = run.keystore.published(run.now())
    if not published:
        raise UnavailableError("no signing key has been made yet")
    keys = [dict(jwk) for jwk in published.values()]
    body = json.dumps({"keys": keys}, separators=(",", ":"))
    answer = Response(body, content_type="application/json")
    answer.cache_control.public = True
    answer.cache_control.max_age = _max_age(run)
    answer.set_etag(sha256(body.encode()).hexdigest()[:32])
    answer.make_conditional(http)
    return answer


def _max_age(run: Runtime) -> int:
    """Seconds: no longer than until a key begins to sign or leaves, so that caches follow. A host
    that the database is away from does not see new keys: its set ages from when it was read.
    """
    now, policy = run.now(), run.key_policy
    coming = keyring.next_transition(run.keystore.keys(now), now, policy)
    left = policy.max_age if coming is None else min(policy.max_age, coming - now)
    left = min(left, policy.max_age - max(0, run.keystore.age(now) - OUTDATED))
    return max(1, left // SECOND)
