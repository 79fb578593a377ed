from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

from bench.rig.job import CLIENT, PASSWORD, PERSON, Job, Shared


class Client:
    def __init__(self, job: Job) -> None:
        self._issuer, self._shared = job.issuer, Shared(job)
        self._session = OAuth2Client(
            CLIENT,
            token_endpoint=f"{job.issuer}/token",
            token=self._shared.read(),
            update_token=self._shared.write,
            token_endpoint_auth_method="none",
            leeway=0,
            trust_env=False,
        )

    def call(self) -> int:
        try:
            return int(self._session.get(f"{self._issuer}/api/me").status_code)
        except OAuthError:
            return 0

    def sign_in(self) -> None:
        self._session.token = self._session.fetch_token(username=PERSON, password=PASSWORD)
        self._shared.write(self._session.token)
