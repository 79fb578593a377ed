"""The commands that turn the derivation secrets of refresh tokens over."""

from app.features.secrets.commands import secrets
from app.protocol.feature import Feature

FEATURE = Feature(name="secrets", commands=(secrets,))
