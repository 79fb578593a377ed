"""`python -m perennial`: sign in, look at the session, call an API, sign out."""

import json
import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from perennial.accounts import Account, Accounts, write
from perennial.book import State
from perennial.device_flow import DeviceCode
from perennial.errors import (
    ConfigError,
    ReauthRequired,
    SessionError,
    SignedOut,
    SignInError,
)

if TYPE_CHECKING:
    from urllib.request import OpenerDirector, Request
    from urllib.response import addinfourl

OK, REFUSED, USAGE, SIGN_IN, LATER = range(5)
INTERRUPTED = 130
LAST = "last.json"
ABOUT = "Sign in, look at the session, call an API, sign out."
NOT_THIS_WAY = (
    ": is the client registered for this way to sign in? By browser it needs the redirect URI"
    " http://127.0.0.1/cb; --password and --device are the others"
)
EPILOG = """Exit codes: 0 done, 1 refused, 2 wrong usage or a wrong client, 3 somebody has to sign in,
4 try again later."""


class UsageError(Exception):
    """What the command line lacks."""


@dataclass(frozen=True)
class Outside:
    """What tests replace."""

    ask: Callable[[str], str] = input
    ask_secret: Callable[[str], str] = getpass
    open_browser: Callable[[str], object] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """More for every `Session`."""


def main(arguments: Sequence[str] | None = None, outside: Outside | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        code = _Run(asked, outside or Outside()).go()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; what is left would be written, and fail, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (SessionError, UsageError, EOFError) as error:
        code, text = _explain(error)
        _say(f"perennial: {text}")
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _explain(error: Exception) -> tuple[int, str]:
    code, text = _meaning(error)
    return code, _printable(text)


def _meaning(error: Exception) -> tuple[int, str]:
    match error:
        case ReauthRequired():
            return SIGN_IN, f"the session is over ({error.reason}): use sign-in"
        case SignedOut():
            return SIGN_IN, "nobody is signed in: use sign-in"
        case SignInError():
            hint = NOT_THIS_WAY if error.code in {"invalid_request", "unauthorized_client"} else ""
            return REFUSED, f"the sign-in was refused ({error}){hint}"
        case ConfigError() | UsageError():
            return USAGE, str(error)
        case EOFError():
            return REFUSED, "the sign-in was given up"
    return LATER, f"{error} ({type(error).__name__})"


class _Run:
    """One command, with the account that it is about."""

    def __init__(self, asked: Namespace, outside: Outside) -> None:
        self.asked, self.outside = asked, outside
        self.folder = Path(asked.store or _home()).expanduser()
        self.accounts = Accounts(
            self.folder,
            scope=getattr(asked, "scope", None),
            patience=asked.timeout,
            **outside.options,
        )
        self.account = self._choose()
        self.session = self.accounts.get(self.account)

    def go(self) -> int:
        with self.session:
            code: int = self.asked.run(self)
            return code

    def _choose(self) -> Account:
        """As told; what is not told is as at the last sign-in."""
        asked, last = self.asked, self._last()
        told = {"issuer": asked.issuer, "client_id": asked.client_id, "subject": asked.account}
        wanted = {name: value for name, value in told.items() if value is not None}
        fitting = [each for each in self.accounts.list() if wanted.items() <= asdict(each).items()]
        if last is not None and wanted.items() <= asdict(last).items():
            return last
        if len(fitting) == 1:
            return fitting[0]
        if asked.run is not sign_in:
            if fitting:
                raise UsageError("which one? Use --issuer, --client-id and --account")
            raise SignedOut("nobody")
        if last is not None and not {"issuer", "client_id"} & wanted.keys():
            wanted = {"issuer": last.issuer, "client_id": last.client_id, **wanted}
        if not {"issuer", "client_id"} <= wanted.keys():
            raise UsageError("--issuer and --client-id are needed here")
        return Account(**{"subject": "default", **wanted})

    def _last(self) -> Account | None:
        try:
            return Account(**json.loads((self.folder / LAST).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None


def sign_in(run: _Run) -> int:
    if run.asked.device:
        run.session.sign_in_with_device(_show_code)
    elif run.asked.password:
        name = run.asked.username or run.outside.ask("Username: ")
        run.session.sign_in_with_password(name, run.outside.ask_secret("Password: "))
    else:
        run.session.sign_in_with_browser(open=run.outside.open_browser or _open_browser)
    write(run.folder / LAST, asdict(run.account))
    _say(f"signed in at {run.account.issuer}")
    return OK


def show_session(run: _Run) -> int:
    state, times = run.session.restore(), run.session.times
    if state is State.SIGNED_OUT:
        run.session.wake()  # what the server could not be told then it is told now
    said = {
        "state": state.value,
        "reason": run.session.reason,
        "issuer": run.account.issuer,
        "client_id": run.account.client_id,
        "account": run.account.subject,
        "scope": run.session.granted_scope,
        "stored_in": str(run.accounts.path(run.account)),
        **({} if times is None or state is not State.ACTIVE else times._asdict()),
    }
    if run.asked.json:
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        for name, value in said.items():
            if value is not None:
                shown = _duration(value) if isinstance(value, float) else _printable(value)
                sys.stdout.write(f"{name.replace('_', ' '):<18} {shown}\n")
    return OK if state is State.ACTIVE else SIGN_IN


def call(run: _Run) -> int:
    from http.client import HTTPException  # noqa: PLC0415  # no other command needs HTTP of its own
    from urllib.request import Request, build_opener  # noqa: PLC0415

    from perennial.transport import Proxies  # noqa: PLC0415
    from perennial.urllib import SessionHandler  # noqa: PLC0415

    asked = run.asked
    run.session.allows(asked.url)
    body = None if asked.data is None else asked.data.encode()
    request = Request(  # noqa: S310  # the line before the last looked at the scheme
        asked.url, body, _headers(asked.header), method=asked.method
    )
    opener = build_opener(SessionHandler(run.session), Proxies())
    try:
        with _send(opener, request, asked.timeout) as answer:
            sys.stdout.flush()
            shutil.copyfileobj(answer, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            status = answer.status or 0
    except BrokenPipeError:
        raise
    except (OSError, HTTPException) as error:
        _say(f"perennial: no answer ({getattr(error, 'reason', error)})")
        return LATER
    except ValueError as error:
        raise UsageError(str(error)) from None
    if status < 400:  # noqa: PLR2004  # the classes of RFC 9110 §15
        return OK
    _say(f"perennial: the answer was {status}")
    return LATER if status >= 500 or status == 429 else REFUSED  # noqa: PLR2004


def _send(opener: "OpenerDirector", request: "Request", timeout: float) -> "addinfourl":
    """A bad answer is an answer as well."""
    from urllib.error import HTTPError  # noqa: PLC0415  # as above

    try:
        answer: addinfourl = opener.open(request, timeout=timeout)
    except HTTPError as error:
        return error
    return answer


def refresh(run: _Run) -> int:
    """New tokens, even where the old ones are good."""
    session = run.session
    session.restore()
    before = session.times
    lease = session.lease()
    if before is not None and before.access_token_left:
        session.renew(lease)
    after = session.times
    left = None if after is None else after.access_token_left
    _say("new tokens" if left is None else f"new tokens, good for {_duration(left)}")
    return OK


def token(run: _Run) -> int:
    sys.stdout.write(run.session.token() + "\n")
    return OK


def sign_out(run: _Run) -> int:
    told = run.accounts.remove(run.account)
    _say("signed out" if told else "signed out here; the server could not be told yet")
    return OK


def _show_code(code: DeviceCode) -> None:
    _say(f"Open {code.verification_uri} and enter {code.user_code}")
    if code.verification_uri_complete:
        _say(f"or open {code.verification_uri_complete}")


def _open_browser(url: str) -> bool:
    import webbrowser  # noqa: PLC0415  # it looks for browsers when it is first asked

    _say(f"Sign in with your browser. If none opens, go to {url}")
    webbrowser.open(url)
    return True


def _headers(lines: Sequence[str]) -> dict[str, str]:
    split = [line.partition(":") for line in lines]
    if any(not colon for _, colon, _ in split):
        raise UsageError("a header is NAME: VALUE")
    return {name.strip(): value.strip() for name, _, value in split}


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _home() -> Path:
    return Path(os.getenv("XDG_CONFIG_HOME") or "~/.config") / "perennial"


def _say(text: str) -> None:
    sys.stderr.write(f"{_printable(text)}\n")


def _printable(text: str) -> str:
    """A terminal obeys what a server has no right to say."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class _Parser(ArgumentParser):
    """Errors of usage in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"perennial: {message}\n")


def _parser() -> ArgumentParser:
    common = _Parser(add_help=False)
    common.add_argument("--store", metavar="FOLDER", help="where sessions are kept")
    common.add_argument("--account", metavar="NAME", help="which of several people")
    common.add_argument(
        "--issuer", metavar="URL", help="as at the last sign-in, if it is not given"
    )
    common.add_argument("--client-id", metavar="ID", help="as at the last sign-in, too")
    common.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=30.0,
        help="how long to wait for a server at most (30)",
    )
    parser = _Parser(prog="python -m perennial", description=ABOUT, epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[_Run], int], text: str) -> ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(run=run)
        return made

    entry = command("sign-in", sign_in, "sign in with the browser, or as told")
    entry.add_argument("--scope", help="what to ask for; default: all that the client may")
    how = entry.add_mutually_exclusive_group()
    how.add_argument("--device", action="store_true", help="with a code typed elsewhere")
    how.add_argument("--password", action="store_true", help="with a password asked for here")
    entry.add_argument("--username", help="for --password")
    state = command("session", show_session, "show what is known of the session")
    state.add_argument("--json", action="store_true", help="for scripts")
    request = command("call", call, "send a request with the access token, and print the answer")
    request.add_argument("url", metavar="URL")
    request.add_argument("-X", dest="method", metavar="METHOD", help="GET, or POST with -d")
    request.add_argument("-d", dest="data", metavar="BODY", help="what to send")
    request.add_argument(
        "-H",
        dest="header",
        metavar="HEADER",
        action="append",
        default=[],
        help="one more, as 'Name: value'; may be repeated",
    )
    command("refresh", refresh, "fetch new tokens now")
    command("token", token, "print the access token, for scripts")
    command("sign-out", sign_out, "end the session, here and at the server")
    return parser
