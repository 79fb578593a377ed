"""Why a token would be accepted or refused right now, for the operator who was asked."""

from app.features.explain.commands import explain_token
from app.protocol.feature import Feature

FEATURE = Feature(name="explain", commands=(explain_token,))
