"""An offline resource server: it knows the key set and status lists, and asks about no token.

Written against the draft and PyJWT alone, so that it cannot share a mistake with the server.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import httpx
import jwt

LIST_TYPE = "application/statuslist+jwt"


class Fetched(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


class NoListError(Exception):
    """The list could not be had, so nothing is accepted."""


@dataclass
class Cached:
    claims: dict[str, Any]
    until: float


@dataclass
class OfflineVerifier:
    """`fetch` takes a path, `now` gives seconds. Lists are cached for as long as they say."""

    fetch: Callable[[str], Fetched]
    now: Callable[[], float]
    lists: dict[str, Cached] = field(default_factory=dict)
    fetches: int = 0

    @classmethod
    def of_site(cls, site: Any) -> Self:
        def fetch(path: str) -> Fetched:
            answer = site.http.get(path)
            return Fetched(answer.status_code, answer.headers, answer.text)

        return cls(fetch, lambda: site.clock() / 1000)

    @classmethod
    def of_server(cls, url: str, now: Callable[[], float]) -> Self:
        """Every fetch is a connection of its own, so that any worker may answer."""

        def fetch(path: str) -> Fetched:
            answer = httpx.get(url + path)
            return Fetched(answer.status_code, answer.headers, answer.text)

        return cls(fetch, now)

    def accepts(self, token: str) -> bool:
        """Signature, dates, and the status of the token's session."""
        claims = self._verified(token, "at+jwt")
        if claims["exp"] <= self.now():
            return False
        place = claims["status"]["status_list"]
        return self.bit(place["uri"], place["idx"]) == 0

    def bit(self, uri: str, index: int) -> int:
        entry = self.lists.get(uri)
        if entry is None or self.now() >= entry.until:
            entry = self.lists[uri] = self._load(uri)
        status_list = entry.claims["status_list"]
        assert status_list["bits"] == 1
        lst = status_list["lst"]
        octets = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
        return octets[index // 8] >> index % 8 & 1

    def _load(self, uri: str) -> Cached:
        self.fetches += 1
        asked_at = self.now()
        answer = self.fetch(urlsplit(uri).path)
        if answer.status != 200:
            raise NoListError(answer.status)
        assert answer.headers["Content-Type"] == LIST_TYPE
        claims = self._verified(answer.text, "statuslist+jwt")
        assert claims["sub"] == uri
        assert claims["iat"] <= asked_at + 1 < claims["exp"] + 1
        return Cached(claims, min(asked_at + claims["ttl"], claims["exp"]))

    def _verified(self, token: str, kind: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        assert header["typ"] == kind
        keys = jwt.PyJWKSet.from_dict(json.loads(self.fetch("/.well-known/jwks.json").text))
        checks = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        return jwt.decode(token, keys[header["kid"]], algorithms=["RS256"], options=checks)
