"""An operator's terminal inside the test's own process: `perennial …` on one application."""

import json
from typing import Any

from click.testing import Result
from flask import Flask


class Console:
    """Commands on one application, with its clock."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._runner = app.test_cli_runner()

    def __call__(self, *args: str, input: str | None = None) -> Result:  # noqa: A002
        """Whatever comes of it; an exception that is no exit of ours is raised."""
        with self._app.app_context():
            result = self._runner.invoke(args=args, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def done(self, *args: str, input: str | None = None) -> str:  # noqa: A002
        """What a command that must succeed printed."""
        result = self(*args, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args: str, input: str | None = None) -> Any:  # noqa: A002
        """The JSON that stdout consists of."""
        return json.loads(self.done(*args, "--json", input=input))

    def refused(self, *args: str, input: str | None = None, status: int = 1) -> str:  # noqa: A002
        """Why a command was refused: the one line on stderr, and nothing on stdout."""
        result = self(*args, input=input)
        assert result.exit_code == status, result.output
        assert result.stdout == ""
        said = result.stderr.strip().splitlines()
        if status == 2:
            said = said[-1:]  # inside a test click puts its usage lines above
        assert len(said) == 1, result.stderr
        return said[0].removeprefix("Error: ")
