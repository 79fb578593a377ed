import os

from oauthlib.oauth2 import LegacyApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

from bench.rig.job import CLIENT, PASSWORD, PERSON, Job, Shared

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # noqa: TID251  # the library's only switch


class Client:
    def __init__(self, job: Job) -> None:
        self._issuer, self._shared = job.issuer, Shared(job)
        self._session = self._made()

    def _made(self) -> OAuth2Session:
        session = OAuth2Session(
            client=LegacyApplicationClient(CLIENT),
            token=self._shared.read(),
            auto_refresh_url=f"{self._issuer}/token",
            auto_refresh_kwargs={"client_id": CLIENT},
            token_updater=self._shared.write,
        )
        session.trust_env = False
        return session

    def call(self) -> int:
        try:
            return self._session.get(f"{self._issuer}/api/me").status_code
        except OAuth2Error:
            return 0

    def sign_in(self) -> None:
        self._session = self._made()
        token = self._session.fetch_token(
            f"{self._issuer}/token", username=PERSON, password=PASSWORD, include_client_id=True
        )
        self._shared.write(token)
