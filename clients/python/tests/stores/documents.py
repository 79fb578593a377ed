"""What is kept in stores, and whether it is the same."""

import json

from perennial.store import Kept


def kept(version, **members):
    return Kept(version, json.dumps(members))


def same(one, other):
    return one.version == other.version and json.loads(one.document) == json.loads(other.document)
