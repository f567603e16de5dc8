"""Values of the shapes that are frozen: what older code may have stored."""

import re
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
NUMBER_MAX = 2**53
TEXTS = ["a", "a-1", "x:y.z", "USD", "EUR", "Ana Ångström", "one line, no more", ""]
"""For fields with a pattern: each pattern matches some of them, and few hard cases are in our patterns."""


def values_of(schema: Json) -> st.SearchStrategy[Any]:
    """Any value that the schema allows."""
    return _values(schema, schema.get("$defs", {}))


def _values(schema: Json, definitions: Json) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one a type
    match schema:
        case {"$ref": reference}:
            return _values(definitions[reference.rpartition("/")[2]], definitions)
        case {"const": value}:
            return st.just(value)
        case {"enum": choices}:
            return st.sampled_from(choices)
        case {"anyOf": choices}:
            return st.one_of(*(_values(each, definitions) for each in choices))
        case {"type": "null" | "boolean" | "integer" | "number" | "string"}:
            return _scalars(schema)
        case {"type": "array"}:
            return st.lists(_values(schema["items"], definitions), max_size=3)
        case {"type": "object", "properties": properties}:
            return _objects(properties, schema.get("required", []), definitions)
        case {"type": "object"}:
            named = schema.get("additionalProperties")
            inner = _values(named, definitions) if isinstance(named, dict) else st.integers()
            return st.dictionaries(st.text(max_size=5), inner, max_size=3)
        case _:
            return st.one_of(st.none(), st.integers(), st.text(max_size=5))


def _scalars(schema: Json) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one a type
    match schema:
        case {"type": "null"}:
            return st.none()
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "integer"}:
            return st.integers(schema.get("minimum", -NUMBER_MAX), schema.get("maximum", NUMBER_MAX))
        case {"type": "number"}:
            return st.floats(-NUMBER_MAX, NUMBER_MAX)
        case {"format": "date-time"}:
            return st.datetimes().map(lambda time: f"{time.isoformat()}Z")
        case {"pattern": pattern}:
            return st.sampled_from([text for text in TEXTS if re.search(pattern, text)])
        case _:
            return st.text(max_size=5)


def _objects(properties: Json, required: list[str], definitions: Json) -> st.SearchStrategy[Json]:
    fields = {name: _values(schema, definitions) for name, schema in properties.items()}
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: values for name, values in fields.items() if name not in required},
    )
