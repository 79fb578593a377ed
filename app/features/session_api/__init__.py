"""The JSON API for the owner's own applications: sign in, refresh, sign out, see one's sessions."""

from app.features.session_api.endpoint import blueprint
from app.protocol.feature import Feature

FEATURE = Feature(name="session_api", blueprints=(blueprint,))
