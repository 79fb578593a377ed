"""How tests speak to the server: by http.client, so that nothing is repeated or followed for them."""

import http.client
import json
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def connect(url, timeout=5):
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)


def send(connection, method, path, body=None, **headers):
    """Headers by keyword, with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    return Reply(answer.status, answer.headers, answer.read())


class Caller:
    """A person's client: one connection for each request, one name, no memory but the last tokens."""

    def __init__(self, url, client_id="conformance"):
        self.url, self.client_id = url, client_id
        self.access = self.refresh_token = None

    def send(self, method, path, body=None, **headers):
        connection = connect(self.url)
        try:
            return send(connection, method, path, body, **headers)
        finally:
            connection.close()

    def post(self, path, headers=None, **fields):
        told = {"client_id": self.client_id, **fields}
        body = urlencode({k: v for k, v in told.items() if v is not None})
        return self.send("POST", path, body, Content_Type=FORM, **(headers or {}))

    def sign_in(self, user="ana", **fields):
        fields = {"username": user, "password": "correct horse", **fields}
        return self._keep(self.post("/token", grant_type="password", **fields))

    def refresh(self, token=None, key=None, **fields):
        headers = {} if key is None else {"Idempotency_Key": key}
        fields = {"refresh_token": token or self.refresh_token, **fields}
        return self._keep(self.post("/token", headers, grant_type="refresh_token", **fields))

    def call(self, path="/api/echo", method="GET", body=None, token=None, **headers):
        bearer = f"Bearer {token or self.access}"
        return self.send(method, path, body, Authorization=bearer, **headers)

    def _keep(self, reply):
        if reply.status == 200:
            told = reply.json
            self.access = told["access_token"]
            self.refresh_token = told.get("refresh_token", self.refresh_token)
        return reply


def control(server, operation, **arguments):
    url = urlsplit(server.control_url)
    connection = connect(server.control_url)
    try:
        return send(connection, "POST", f"{url.path}/{operation}", json.dumps(arguments))
    finally:
        connection.close()
