from pathlib import Path

import httpx
from httpx_auth import JsonTokenFileCache, OAuth2, OAuth2ResourceOwnerPasswordCredentials

from bench.rig.job import CLIENT, PASSWORD, PERSON, Job


class Client:
    """It signs in by itself, at first and whenever it is refused."""

    def __init__(self, job: Job) -> None:
        perhaps_die = job.deadly()

        class Mortal(JsonTokenFileCache):
            def _save_tokens(self) -> None:
                perhaps_die()
                super()._save_tokens()

        OAuth2.token_cache = Mortal(Path(job.folder) / "cache.json")
        auth = OAuth2ResourceOwnerPasswordCredentials(
            f"{job.issuer}/token",
            username=PERSON,
            password=PASSWORD,
            client_id=CLIENT,
            early_expiry=0.001,
            client=httpx.Client(trust_env=False),
        )
        self._api = httpx.Client(auth=auth, base_url=job.issuer, trust_env=False)

    def call(self) -> int:
        return self._api.get("/api/me").status_code

    def sign_in(self) -> None:
        """With its next call."""
