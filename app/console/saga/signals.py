"""A form for each signal, made from the type of its data, and the data again that came in by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from app.problems import FieldError, InvalidRequest
from workflows.saga import Registry

Kind = Literal["text", "integer", "number", "choice", "boolean", "json"]
PREFIX: Final = "data."
"""Of the names of these fields in a form, so that none is that of a field of ours."""
_SIMPLE: Final[Mapping[str, Kind]] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class SignalField:
    """One field of the data. What has no simple type is written as JSON."""

    name: str
    title: str
    kind: Kind
    required: bool
    choices: tuple[str, ...] = ()
    hint: str = ""
    length_max: int | None = None

    @property
    def form_name(self) -> str:
        return f"{PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class SignalForm:
    """A signal that the saga takes. Sent twice it counts once: the form has an id for it."""

    signal: str
    fields: tuple[SignalField, ...]
    id: str


def signal_forms(registry: Registry, name: str, signals: list[str]) -> list[SignalForm]:
    """The forms for these signals of sagas of this name."""
    return [
        SignalForm(signal, fields_of(registry.saga(name).signals[signal]), str(uuid7())) for signal in signals
    ]


def fields_of(model: type[BaseModel]) -> tuple[SignalField, ...]:
    """The fields of the model, as a form asks for them."""
    schema = model.model_json_schema()
    definitions, required = schema.get("$defs", {}), schema.get("required", [])
    return tuple(
        _field(name, _resolved(each, definitions), name in required)
        for name, each in schema.get("properties", {}).items()
    )


def _field(name: str, schema: Mapping[str, Any], required: bool) -> SignalField:
    enum = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    words = all(isinstance(each, str) for each in enum)
    kind: Kind = "choice" if enum and words else _SIMPLE.get(str(schema.get("type")), "json")
    return SignalField(
        name,
        name.replace("_", " ").capitalize(),
        kind,
        required,
        choices=tuple(enum) if kind == "choice" else (),
        hint=str(schema.get("description", "")),
        length_max=schema.get("maxLength"),
    )


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself behind references and behind "or null"."""
    if "$ref" in schema:
        return _resolved(definitions[str(schema["$ref"]).rpartition("/")[2]], definitions)
    others = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    return _resolved(others[0], definitions) if len(others) == 1 else schema


def data_of(model: type[BaseModel], form: Mapping[str, str]) -> dict[str, Any]:
    """The data in a form; a field that was left empty is not in it. Raises InvalidRequest."""
    data = {}
    for field in fields_of(model):
        text = form.get(field.form_name, "")
        if text or (field.required and field.kind == "text"):
            data[field.name] = _value(field, text)
    return data


def _value(field: SignalField, text: str) -> Any:
    if field.kind in ("text", "choice"):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        message = f"must be {_ASKED[field.kind]}"
        raise InvalidRequest([FieldError(field=field.name, message=message)]) from None


_ASKED: Final[Mapping[Kind, str]] = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no",
    "json": "JSON",
}
