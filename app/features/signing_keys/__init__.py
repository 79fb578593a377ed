"""The published key set, and the commands that turn its keys over."""

from app.features.signing_keys.commands import keys
from app.features.signing_keys.endpoint import PATH, blueprint
from app.features.signing_keys.jobs import FORGET, MAINTAIN
from app.protocol.feature import Feature

FEATURE = Feature(
    name="signing_keys",
    blueprints=(blueprint,),
    metadata=lambda run: {"jwks_uri": f"{run.settings.require_issuer()}{PATH}"},
    commands=(keys,),
    jobs=(MAINTAIN, FORGET),
)
