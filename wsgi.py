"""The application for any WSGI server."""

from app import create_app
from app.settings import from_environment_or_exit

app = create_app(from_environment_or_exit())
