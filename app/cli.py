"""The `perennial` command, and those of its commands that belong to no single feature."""

import os
import signal
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import click
import flask_migrate
from flask import Flask
from flask.cli import FlaskGroup
from sqlalchemy.exc import SQLAlchemyError

from app import create_app
from app.demo import prepare
from app.features import INSTALLED
from app.features.recovery.commands import restored
from app.protocol.commands import refuse
from app.services import readiness
from app.services.jobs import Worker
from app.services.keystore import UnavailableError
from app.services.runtime import Runtime, runtime
from app.services.vault import VaultError
from app.settings import Settings, SettingsError, from_environment_or_exit
from app.store import schema

NO_TABLE = ("no such table", "UndefinedTable")
PRIVATE = 0o077  # databases, keys and demo data are nobody else's to read
GUNICORN_CONF = Path(__file__).parents[1] / "gunicorn.conf.py"


def main() -> None:
    """Exit 0 done, 1 refused, 2 usage or settings; one line on stderr says why."""
    os.umask(PRIVATE)
    settings = from_environment_or_exit()
    group = FlaskGroup(
        name="perennial",
        create_app=lambda: application(settings),
        add_default_commands=False,
        add_version_option=False,
        load_dotenv=False,
        help="Perennial, an OAuth 2.0 authorization server.",
    )
    # Flask's own options choose an application and read files; here both are settled.
    group.params = [option for option in group.params if option.name == "help"]
    try:
        status = group.main(standalone_mode=False)
    except click.exceptions.Exit as end:
        status = end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        status = error.exit_code
    except click.ClickException as error:
        status = _complain(error.format_message(), error.exit_code)
    except (SettingsError, UnavailableError, VaultError) as error:
        status = _complain(str(error), 2 if isinstance(error, SettingsError) else 1)
    except SQLAlchemyError as error:
        unmigrated = any(words in str(error) for words in NO_TABLE)
        hint = "; has `perennial db upgrade` been run?" if unmigrated else ""
        status = _complain(f"database: {str(error).splitlines()[0]}{hint}", 1)
    except (OSError, ValueError, OverflowError) as error:
        status = _complain(str(error), 1)
    except click.Abort:
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


def _complain(message: str, status: int) -> int:
    click.echo(" ".join(message.split()), err=True)
    return status


def application(settings: Settings) -> Flask:
    """The server with every command, for `perennial`, `flask --app wsgi` and gunicorn."""
    app = create_app(settings)
    for command in (db, serve, jobs, demo):
        app.cli.add_command(command)
    return app


@click.group()
def db() -> None:
    """The database: upgrade, current, restored."""


db.add_command(restored)


@db.command()
def upgrade() -> None:
    """Migrate the database to the schema of this version."""
    flask_migrate.upgrade()
    click.echo(f"database is at {schema.wanted()}")


@db.command()
def current() -> None:
    """Show the database's revision; exit 1 when it is not this version's."""
    run = runtime()
    with run.rotations.connect() as connection:
        present = schema.present(connection)
    click.echo(present or "none")
    if present != schema.wanted():
        refuse(f"this version needs {schema.wanted()}: run `perennial db upgrade`")


@click.command()
@click.option(
    "--bind",
    default="127.0.0.1:8000",
    metavar="HOST:PORT",
    show_default=True,
    help="Where to listen.",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; default one per core.")
@click.option(
    "--threads", type=click.IntRange(1, 256), default=8, help="Threads in each process; default 8."
)
@click.option("--migrate", is_flag=True, help="Run `db upgrade` first.")
def serve(bind: str, workers: int | None, threads: int, *, migrate: bool) -> None:
    """Serve with gunicorn. Makes the first keys; SIGTERM finishes what was accepted."""
    if not _is_address(bind):
        raise click.BadParameter("expected HOST:PORT", param_hint="--bind")
    run = runtime()
    run.settings.require_issuer()
    if migrate:
        flask_migrate.upgrade()
    _demand_readiness(run)
    run.telemetry.publish(run.ceremony().establish(run.now()))
    run.transactions.dispose()
    run.rotations.dispose()
    arguments = ["--config", str(GUNICORN_CONF), "--bind", bind, "--threads", str(threads)]
    if workers is not None:
        arguments += ["--workers", str(workers)]
    command = [sys.executable, "-P", "-m", "gunicorn", *arguments, "wsgi:app"]
    environment = run.settings.anchored_environment()
    # With -P, so that no module is ever loaded from wherever the operator happens to stand.
    os.chdir(GUNICORN_CONF.parent)
    os.execve(sys.executable, command, environment)  # noqa: S606  # no shell


def _is_address(bind: str) -> bool:
    try:
        return bool(urlsplit(f"//{bind}").port)
    except ValueError:
        return False


def _demand_readiness(run: Runtime) -> None:
    """What `/readyz` would find wrong is said before a port is opened."""
    with run.rotations.connect() as connection:
        for check in (readiness.migrations(connection), readiness.clock(run, connection)):
            if not check.ok:
                refuse(f"{check.name}: {check.why}")


@click.group()
def jobs() -> None:
    """Background work: run."""


@jobs.command("run")
@click.option("--once", is_flag=True, help="Do what is due and end.")
def run_jobs(*, once: bool) -> None:
    """Do background work, unless another process does; `serve` does it too. SIGTERM ends it."""
    chores = [job for feature in INSTALLED for job in feature.jobs]
    worker = Worker(runtime(), chores, readiness.may_work)
    if once:
        done = worker.round()
        worker.resign()
        click.echo("done" if done else "another process does the background work")
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.work(stop)


@click.command()
def demo() -> None:
    """Development only: migrate, make the demo user and client, print lines to try."""
    run = runtime()
    if run.settings.env != "development":
        refuse("demo data is for PERENNIAL_ENV=development only")
    flask_migrate.upgrade()
    run.telemetry.publish(run.ceremony().establish(run.now()))
    click.echo(prepare(run))
