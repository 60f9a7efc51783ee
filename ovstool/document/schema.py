"""The JSON Schema of documents (json-schema.org, draft 7, which editors read), made from their fields."""

from typing import Any

from ovstool.document import fields
from ovstool.document.kinds import Field, Keyed, Kind, List, Object, Pairs, Value

_PARAMETER = r"\$\{"
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
            return {"type": "array", "items": _or_parameter(dict(kind.item.schema))}
        case Pairs():
            return {"type": "object", "additionalProperties": {"type": _SCALARS}}
        case Object():
            named = {name: _of_field(field) for name, field in kind.fields.items()}
            return {"type": "object", "additionalProperties": False, "properties": named}
        case Keyed():
            item = _described(kind.item) | {"description": kind.what, "type": ["object", "null"]}
            names = kind.key.schema.get("pattern")
            return {
                "type": "object",
                **({"propertyNames": {"pattern": f"{names}|{_PARAMETER}"}} if names else {}),
                "additionalProperties": item,
            }


def _of_field(field: Field) -> dict[str, Any]:
    found = _described(field.kind)
    if field.removable:
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
        else:
            kinds = found["type"]
            found["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    return {"description": field.about} | (_or_parameter(found) if isinstance(field.kind, Value) else found)


def _or_parameter(found: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, or of a text with a parameter, of which only a host knows the value."""
    if "enum" in found:
        return {"anyOf": [found, {"type": "string", "pattern": _PARAMETER}]}
    kinds = found["type"] if isinstance(found["type"], list) else [found["type"]]
    if "string" not in kinds:
        return found | {"type": [*kinds, "string"], "pattern": _PARAMETER}
    return found | {"pattern": f"{found['pattern']}|{_PARAMETER}"} if "pattern" in found else found
