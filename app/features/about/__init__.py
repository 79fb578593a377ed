"""What a person sees at the root, and the page that `error_uri` leads to."""

from app.features.about.endpoint import blueprint
from app.protocol.feature import Feature

FEATURE = Feature(name="about", blueprints=(blueprint,))
