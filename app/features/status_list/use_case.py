"""Publishing a status list: read what has ended, sign it once, hand it out many times."""

import gzip
from dataclasses import dataclass
from hashlib import sha256

from app.core import status_list
from app.core.sessions import SECOND, whole_seconds
from app.core.status_list import Pace
from app.services.runtime import Runtime
from app.services.status_lists import Reading, Signed

TOKEN_TYPE = "statuslist+jwt"  # noqa: S105  # a media type
ZIP_LEVEL = 6


@dataclass(frozen=True, slots=True, repr=False)
class Published:
    """`max_age` in seconds; `tag` is the same for the same list from every worker."""

    text: str
    zipped: bytes
    tag: str
    max_age: int


def publish(run: Runtime, list_id: int) -> Published | None:
    """The list as it is now, or, while the database is away, as it was at most its ttl ago."""
    now = run.now()
    settings = run.settings
    pace = Pace.of(settings.status_ttl, settings.access_token_ttl)
    reading = run.status_lists.read(list_id, now, pace.ttl * SECOND)
    if reading is None:
        return None
    signed = _signed(run, list_id, pace, reading)
    # Not of the text: an algorithm may sign the same list differently each time.
    issued_at, expires_at = signed.dates
    content = f"{list_id} {issued_at} {expires_at} {signed.kid} ".encode() + signed.bits
    tag = sha256(content).hexdigest()[:32]
    age = whole_seconds(now - reading.read_at)
    return Published(signed.text, signed.zipped, tag, pace.ttl - age)


def _signed(run: Runtime, list_id: int, pace: Pace, reading: Reading) -> Signed:
    """Signed anew when a bit, the dates or the key have changed."""
    signer = run.signer()
    made_of = (reading.bits, pace.dates(reading.read_at), signer.kid)
    kept = run.status_lists.signed.get(list_id)
    if kept is not None and made_of == (kept.bits, kept.dates, kept.kid):
        return kept
    uri = status_list.uri(run.settings.require_issuer(), list_id)
    claims = status_list.claims(uri, reading.bits, pace, reading.read_at)
    text = signer.sign(claims, TOKEN_TYPE)
    signed = Signed(*made_of, text, gzip.compress(text.encode(), ZIP_LEVEL, mtime=0))
    run.status_lists.signed[list_id] = signed
    return signed
