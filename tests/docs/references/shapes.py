"""JSON schemas in words."""

from tests.docs.references.document import Json
from tests.docs.references.markdown import code

ID_PATTERN = "^[A-Za-z0-9._:-]+$"
FORMATS = {"date-time": "time", "uuid": "UUID", "date": "date"}


def shape(schema: Json) -> str:  # noqa: PLR0911 - one a kind
    """What a value is: `list of integer`, a link to a model, the values of an enumeration."""
    match schema:
        case {"$ref": str(reference)}:
            return model_link(reference)
        case {"anyOf": choices} | {"oneOf": choices}:
            return " or ".join(shape(choice) for choice in choices)
        case {"enum": values}:
            return " ".join(code(value) for value in values)
        case {"const": value}:
            return code(value)
        case {"type": "array", "items": items}:
            return f"list of {shape(items)}{_bounds(schema, 'minItems', 'maxItems')}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"object of {shape(values)}"
        case {"type": "object", "properties": properties}:
            return "object of " + ", ".join(code(name) for name in properties)
        case {"type": "string", "format": str(name)}:
            return FORMATS.get(name, name)
        case {"type": "string"}:
            bounds = _bounds(schema, "minLength", "maxLength", "characters")
            return "id" if schema.get("pattern") == ID_PATTERN else f"string{bounds}"
        case {"type": "integer" | "number" as name}:
            return f"{name}{_bounds(schema, 'minimum', 'maximum')}{_above(schema)}"
        case {"type": str(name)}:
            return name
        case _:
            return "anything"


def model_link(reference: str, page: str = "api-models.md") -> str:
    name = reference.rpartition("/")[2]
    return f"[{name}]({page}#{name.lower()})"


def meaning(schema: Json, described: str | None = None) -> str:
    """Description, default and example of a field or parameter."""
    said = described or schema.get("description") or ""
    examples = schema.get("examples") or []
    default = schema.get("default")
    return " ".join(
        [
            *([said if said.endswith((".", ":")) else f"{said}."] if said else []),
            *([f"Default {code(_plain(default))}."] if default not in (None, [], {}, "") else []),
            *([f"Such as {code(_plain(examples[0]))}."] if examples else []),
        ]
    )


def _plain(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case [only]:
            return only
        case _:
            return value


def _bounds(schema: Json, low: str, high: str, unit: str = "") -> str:
    least, most = schema.get(low), schema.get(high)
    words = {
        (True, True): f", {least} to {most} {unit}",
        (True, False): f", at least {least} {unit}",
        (False, True): f", at most {most} {unit}",
        (False, False): "",
    }
    return words[least is not None, most is not None].rstrip()


def _above(schema: Json) -> str:
    low = schema.get("exclusiveMinimum")
    return "" if low is None else f", more than {low}"
