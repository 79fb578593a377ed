"""Scope sets (RFC 6749 §3.3): parse, compare, print."""

import re

_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")


def parse(text: str) -> tuple[str, ...] | None:
    """The scopes in the order given, each once, or None when the text breaks the grammar.

    Scopes are separated by single spaces (Appendix A.4); an empty text is no scope at all.
    """
    if not text:
        return ()
    parts = text.split(" ")
    if not all(_TOKEN.fullmatch(part) for part in parts):
        return None
    return tuple(dict.fromkeys(parts))


def narrow(requested: str | None, granted: str) -> str | None:
    """What a request gets out of `granted`: all of it when it asks for nothing, else the part it
    names, or None when it names more (RFC 6749 §6) or breaks the grammar.
    """
    if not requested:
        return granted
    wanted = parse(requested)
    if wanted is None or not set(wanted) <= set(granted.split(" ")):
        return None
    return " ".join(wanted)
