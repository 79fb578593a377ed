"""Clients and resource servers, managed from the command line."""

from app.features.clients.commands import client
from app.protocol.feature import Feature

FEATURE = Feature(name="clients", commands=(client,))
