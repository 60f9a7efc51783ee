"""The JSON Schema of documents (json-schema.org, draft 7, which editors read), made from their fields."""

from typing import Any

from ovstool.document import fields
from ovstool.document.kinds import Field, Keyed, Kind, List, Object, Pairs, Value

_SCALARS = ["string", "number", "boolean", "null"]


def schema() -> dict[str, Any]:
    """The schema. An editor that has it completes the names of fields, shows what they mean and marks what is wrong."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "ovstool: bridges and ports of Open vSwitch",
        **_described(fields.DOCUMENT),
    }


def _described(kind: Kind) -> dict[str, Any]:
    match kind:
        case Value():
            return dict(kind.schema)
        case List():
            return {"type": "array", "items": dict(kind.item.schema)}
        case Pairs():
            return {"type": "object", "additionalProperties": {"type": _SCALARS}}
        case Object():
            named = {name: _of_field(field) for name, field in kind.fields.items()}
            return {"type": "object", "additionalProperties": False, "properties": named}
        case Keyed():
            item = _described(kind.item) | {"description": kind.what, "type": ["object", "null"]}
            names = kind.key.schema.get("pattern")
            return {"type": "object", **({"propertyNames": {"pattern": names}} if names else {}), "additionalProperties": item}


def _of_field(field: Field) -> dict[str, Any]:
    found = _described(field.kind)
    if field.removable:
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
        else:
            kinds = found["type"]
            found["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    return {"description": field.about} | found
