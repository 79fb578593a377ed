"""Token Status List (draft-ietf-oauth-status-list): one bit or a few for each token issued."""

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from perennial.messages import Response, safe_url
from perennial.verify import compact, strict
from perennial.verify.access_token import AccessToken
from perennial.verify.compact import seconds
from perennial.verify.document import Copy, Document, Keeping, Steps
from perennial.verify.drive import blocking
from perennial.verify.errors import InvalidToken, Reason, Unavailable
from perennial.verify.issuer import Issuer, World

MEDIA_TYPE = "application/statuslist+jwt"
LONGEST_ANSWER = 4 << 20
LONGEST_LIST = 16 << 20  # inflated
MOST_LISTS = 64
USUAL_LIFETIME = 60.0
VALID = 0


@dataclass(frozen=True, slots=True, repr=False)
class StatusList:
    bits: int
    data: bytes
    expires_at: float

    def status(self, index: int) -> int:
        """The first entry is in the lowest bits of the first byte."""
        octet, shift = divmod(index * self.bits, 8)
        if octet >= len(self.data):
            raise InvalidToken(Reason.BAD_STATUS_REFERENCE)
        return (self.data[octet] >> shift) & ((1 << self.bits) - 1)


class StatusLists:
    """The issuer's lists, each fetched when a token first refers to it."""

    def __init__(
        self, issuer: Issuer, world: World, *, algorithms: Collection[str], leeway: float
    ) -> None:
        self._issuer, self._world = issuer, world
        self._algorithms, self._leeway = algorithms, leeway
        self._lists: dict[str, Document[StatusList]] = {}

    def check(self, token: AccessToken) -> Steps[None]:
        """Refuses a token that its issuer took back; one without a reference cannot be."""
        if "status" not in token.claims:
            return
        uri, index = self._reference(token.claims["status"])
        listed = yield from self._document(uri).get()
        if listed.expires_at <= self._world.clock():
            raise Unavailable("status_list")
        if listed.status(index) != VALID:
            raise InvalidToken(Reason.REVOKED)

    def _reference(self, claim: object) -> tuple[str, int]:
        reference = claim.get("status_list") if isinstance(claim, dict) else None
        if not isinstance(reference, dict):
            raise InvalidToken(Reason.BAD_STATUS_REFERENCE)
        uri, index = reference.get("uri"), reference.get("idx")
        if type(index) is not int or index < 0 or not isinstance(uri, str):
            raise InvalidToken(Reason.BAD_STATUS_REFERENCE)
        try:
            at_home = _origin(safe_url(uri)) == _origin(self._issuer.name)
        except ValueError:
            at_home = False
        # A list from elsewhere would make this resource server ask whomever a token names.
        if not at_home:
            raise InvalidToken(Reason.BAD_STATUS_REFERENCE)
        return uri, index

    def _document(self, uri: str) -> Document[StatusList]:
        found = self._lists.get(uri)
        if found is None:
            # Single dictionary operations need no lock, which a fork could leave held.
            found = self._lists.setdefault(uri, self._new_document(uri))
            for oldest in list(self._lists)[:-MOST_LISTS]:
                self._lists.pop(oldest, None)
        return found

    def _new_document(self, uri: str) -> Document[StatusList]:
        return Document(
            "status_list",
            ask=lambda _: self._world.get(uri, MEDIA_TYPE, LONGEST_ANSWER),
            read=lambda answer: self._read(uri, answer),
            # Old news is no news: what was taken back since would be accepted.
            keeping=Keeping(least=1, most=3600, usual=3600, stale=0),
            timer=self._world.timer,
            spawn=self._world.spawn,
        )

    def _read(self, uri: str, answer: Response) -> Copy[StatusList]:
        if answer.media_type != MEDIA_TYPE:
            raise ValueError("not a status list")
        claims = self._claims(answer.body.decode("ascii").strip())
        now = self._world.clock()
        issued_at, expires_at = seconds(claims.get("iat")), seconds(claims.get("exp"))
        lifetime = seconds(claims.get("ttl", USUAL_LIFETIME))
        if claims.get("sub") != uri or claims.get("iss", self._issuer.name) != self._issuer.name:
            raise ValueError("another list")
        if issued_at is None or issued_at > now + self._leeway:
            raise ValueError("not issued yet")
        if "exp" in claims and (expires_at is None or expires_at <= now):
            raise ValueError("expired")
        if lifetime is None or lifetime <= 0:
            raise ValueError("ttl is not positive")
        end = float("inf") if expires_at is None else expires_at
        return Copy(_inflated(claims["status_list"], end), lifetime=min(lifetime, end - now))

    def _claims(self, text: str) -> dict[str, Any]:
        token = compact.parse(
            text, typ="statuslist+jwt", algorithms=self._algorithms, longest=LONGEST_ANSWER
        )
        return token.claims(blocking(self._issuer.key(token.kid), self._world.timeout))


def _inflated(said: dict[str, Any], expires_at: float) -> StatusList:
    if type(said["bits"]) is not int or said["bits"] not in {1, 2, 4, 8}:
        raise ValueError("bits must be 1, 2, 4 or 8")
    inflater = zlib.decompressobj()
    data = inflater.decompress(strict.base64url(said["lst"]), LONGEST_LIST)
    # A small answer can inflate to any size, so reading stops at the limit.
    if not inflater.eof or inflater.unused_data:
        raise ValueError("not one complete list of a bearable size")
    return StatusList(said["bits"], data, expires_at)


def _origin(url: str) -> tuple[str, str | None, int]:
    parts: SplitResult = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
