"""As much of JSON Schema as scenario.schema.json uses. A keyword it does not know is an error."""

import re

KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
SILENT = {"$schema", "title", "$defs"}


def faults(schema, value, root, where="$"):
    """What is wrong with the value, one sentence each."""
    found = []
    for keyword, asked in schema.items():
        if keyword not in SILENT:
            found += CHECKS[keyword](asked, value, schema, root, where)
    return found


def _type(asked, value, _schema, _root, where):
    fits = isinstance(value, KINDS[asked]) and (asked == "boolean") == isinstance(value, bool)
    return [] if fits else [f"{where} is no {asked}"]


def _ref(asked, value, _schema, root, where):
    return faults(root["$defs"][asked.removeprefix("#/$defs/")], value, root, where)


def _properties(asked, value, _schema, root, where):
    known = value.keys() & asked.keys() if isinstance(value, dict) else ()
    return [
        fault
        for name in known
        for fault in faults(asked[name], value[name], root, f"{where}.{name}")
    ]


def _additional(asked, value, schema, root, where):
    others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ()
    if asked is False:
        return [f"{where}.{name} is unknown" for name in others]
    return [
        fault for name in others for fault in faults(asked, value[name], root, f"{where}.{name}")
    ]


def _names(asked, value, _schema, root, where):
    return [fault for name in value for fault in faults(asked, name, root, f"{where}.{name}")]


def _required(asked, value, _schema, _root, where):
    return [f"{where} lacks {name}" for name in asked if name not in value]


def _items(asked, value, _schema, root, where):
    items = enumerate(value) if isinstance(value, list) else ()
    return [fault for i, item in items for fault in faults(asked, item, root, f"{where}[{i}]")]


def _one_of(asked, value, _schema, root, where):
    """Steps are told apart by `do`, so that what is wrong inside one can be said."""
    tried = [faults(choice, value, root, where) for choice in asked]
    fitting = tried.count([])
    return [] if fitting == 1 else [f"{where} fits {fitting}", *min(tried, key=len)]


def _any_of(asked, value, _schema, root, where):
    tried = [faults(choice, value, root, where) for choice in asked]
    return [] if [] in tried else [f"{where} fits nothing", *min(tried, key=len)]


def _said(test, sentence):
    def check(asked, value, _schema, _root, where):
        return [] if test(asked, value) else [f"{where} {sentence} {asked}"]

    return check


CHECKS = {
    "type": _type,
    "$ref": _ref,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "items": _items,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "const": _said(lambda asked, value: value == asked, "is not"),
    "enum": _said(lambda asked, value: value in asked, "is none of"),
    "minimum": _said(
        lambda asked, value: not isinstance(value, int | float) or value >= asked, "is less than"
    ),
    "minItems": _said(lambda asked, value: len(value) >= asked, "has fewer items than"),
    "pattern": _said(lambda asked, value: re.search(asked, str(value)), "does not match"),
}
