"""A feature is one value: everything a slice adds to the server, on one screen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from flask import Blueprint

from app.services.jobs import Job
from app.services.runtime import Runtime

Metadata = Mapping[str, object]


def no_metadata(_: Runtime) -> Metadata:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """`grants` are Authlib grant classes, `endpoints` Authlib endpoint classes by their path.

    `metadata` gives members of the discovery document (RFC 8414 §2); lists are merged with those
    of other features. `commands` are command-line groups, `jobs` is background work.
    """

    name: str
    grants: tuple[type[Any], ...] = ()
    endpoints: Mapping[str, type[Any]] | None = None
    blueprints: tuple[Blueprint, ...] = ()
    metadata: Callable[[Runtime], Metadata] = no_metadata
    commands: tuple[click.Command, ...] = ()
    jobs: tuple[Job, ...] = ()
