import json
from pathlib import Path

import httpx

from bench.rig.job import CLIENT, PASSWORD, PERSON, Job
from perennial import FileStore, ReauthRequired, Session, SignedOut
from perennial.httpx import SessionAuth
from perennial.store import Kept


class Client:
    def __init__(self, job: Job) -> None:
        perhaps_die = job.deadly()

        class Mortal(FileStore):
            def swap(self, expected: int, new: Kept) -> bool:
                if expected and json.loads(new.document)["intent"] is None:
                    perhaps_die()
                return super().swap(expected, new)

        self._session = Session(
            issuer=job.issuer,
            client_id=CLIENT,
            store=Mortal(Path(job.folder) / "session.json"),
            refresh_skew=job.skew,
        )
        auth = SessionAuth(self._session)
        self._api = httpx.Client(auth=auth, base_url=job.issuer, trust_env=False)

    def call(self) -> int:
        try:
            return self._api.get("/api/me").status_code
        except (ReauthRequired, SignedOut):
            return 0

    def sign_in(self) -> None:
        self._session.sign_in_with_password(PERSON, PASSWORD)
