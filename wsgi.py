"""The application for any WSGI server."""

from app.cli import application
from app.settings import from_environment_or_exit

app = application(from_environment_or_exit())
