"""When an answer means that the access token was refused: what every adapter has to know."""

import re

UNAUTHORIZED = 401
_PART = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)"""
    r"""(?:\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|[!#$%&'*+.^_`|~0-9A-Za-z-]+))?"""
)


def refuses(status: int, challenges: str | None, *, sent: str | None, lease: str) -> bool:
    """Whether that answer is about the token of the lease: 401, to a request that carried it, and
    with a challenge (RFC 6750 §3) that another token can meet. `sent` and `lease` are values of the
    header `Authorization`: after a redirect to another origin, the request carried none.
    """
    return status == UNAUTHORIZED and sent == lease and _wants_another(challenges)


def _wants_another(challenges: str | None) -> bool:
    """Many servers say no more than `Bearer`, or nothing at all."""
    if not challenges:
        return True
    return any(error in {None, "invalid_token"} for error in _bearer_errors(challenges))


def _bearer_errors(challenges: str) -> list[str | None]:
    """The `error` of each challenge of that scheme (RFC 9110 §11.6.1)."""
    found: list[tuple[str, dict[str, str]]] = []
    for part in _PART.finditer(challenges):
        name, value = part["name"].lower(), part["value"]
        if value is None:
            found.append((name, {}))
        elif found:
            found[-1][1].setdefault(name, value.strip('"'))
    return [said.get("error") for scheme, said in found if scheme == "bearer"]
