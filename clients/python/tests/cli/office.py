"""An authorization server and an API in one, on loopback, whose tokens are easy to find again."""

from dataclasses import dataclass, replace

from clients.python.tests.api import Api
from clients.python.tests.session.world import ISSUER
from clients.python.tests.sign_in import office
from clients.python.tests.sign_in.test_browser import Person
from perennial.cli import Outside, main
from perennial.messages import Request, TransportError


class Server(office.Server):
    """`ISSUER` in its metadata is where it listens."""

    def tokens(self):
        said = super().tokens()
        return {
            **said,
            "access_token": f"SECRET-access-{self.generation}",
            "refresh_token": f"SECRET-refresh-{self.generation}",
            "scope": "films:read",
        }

    def grant(self, form):
        plain = {name: value.removeprefix("SECRET-refresh-") for name, value in form.items()}
        return super().grant(plain)


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Office:
    def __init__(self):
        self.clock = office.Clock()
        self.server = Server(self.clock)
        self.api = Api(lambda: f"SECRET-access-{self.server.generation}")
        self.url = self.api.url
        self.server.metadata = {
            name: value.replace(ISSUER, self.url) if isinstance(value, str) else value
            for name, value in self.server.metadata.items()
        }
        self.away = False
        self.person = Person(iss=self.url)
        self.typed = ["alice", "correct horse"]

    def transport(self, request: Request):
        if self.away:
            raise TransportError("no route", reached=False)
        return self.server(replace(request, url=request.url.replace(self.url, ISSUER)))

    def runner(self, folder, capfd):
        def run(*arguments):
            typed = iter(self.typed)
            outside = Outside(
                ask=lambda _: next(typed),
                ask_secret=lambda _: next(typed),
                open_browser=self.person,
                options={"transport": self.transport, "clock": self.clock},
            )
            command, *more = arguments
            try:
                code = main([command, "--store", str(folder), *more], outside)
            except SystemExit as end:
                code = end.code
            out, err = capfd.readouterr()
            return Done(code, out, err)

        return run

    @property
    def client(self):
        return ["--issuer", self.url, "--client-id", "app"]

    def close(self):
        self.api.close()
