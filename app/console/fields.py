"""The fields of a form, made from the schema of a model, and the data again that came in by them.

A field has a name in the form and a path in the data. They differ in lists only: a row that was left empty is
none of the data, so that the rows after it have other numbers there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator

from app.api.requests import Time, refuse_depth, refuse_tokens
from app.problems import FieldError, InvalidRequest

Kind = Literal[
    "text", "integer", "number", "decimal", "date", "time", "choice", "boolean", "json", "group", "list"
]
PREFIX: Final = "data."
"""Of the names of these fields in a form, so that none is that of a field of ours."""
ROWS_MAX: Final = 100
LEVELS_MAX: Final = 5
"""Of groups and lists within each other. What is deeper is written as JSON, as is what contains itself."""
_SIMPLE: Final[Mapping[str, Kind]] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "decimal": "decimal",
}
_FORMATS: Final[Mapping[str, Kind]] = {"date": "date", "date-time": "time"}
_ASKED: Final[Mapping[Kind, str]] = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no",
    "choice": "one of the choices",
    "json": "JSON",
}
_ZONED: Final = re.compile(r"([Zz]|[+-]\d\d:\d\d)$", re.ASCII)
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,3}")
_MINUTES: Final = re.compile(r"T\d\d:\d\d$", re.ASCII)

Schema = Mapping[str, Any]
Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. `fields` are those of a group, or the rows of a list, which are fields themselves.

    `insists`: the data cannot be without it, whatever else is left empty. `coded`: the choices are JSON.
    What has no kind of its own is written as JSON of its `schema`.
    """

    name: str
    path: str
    title: str
    kind: Kind
    required: bool
    insists: bool
    nullable: bool = False
    choices: tuple[str, ...] = ()
    coded: bool = False
    hint: str = ""
    default: Any = None
    length_max: int | None = None
    least: float | None = None
    most: float | None = None
    fields: tuple["FormField", ...] = ()
    full: bool = False
    schema: Schema | None = None

    @property
    def form_name(self) -> str:
        return f"{PREFIX}{self.name}"

    def every(self) -> Iterator["FormField"]:
        """This field and those in it."""
        yield self
        for each in self.fields:
            yield from each.every()

    def typed(self, form: Form) -> bool:
        """Whether somebody has filled in anything of it."""
        return any(form.get(each.form_name) for each in self.every())


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a model, as a form asks for them, and what can be asked of them."""

    all: tuple[FormField, ...]

    def __iter__(self) -> Iterator[FormField]:
        return iter(self.all)

    def at(self, path: str) -> FormField | None:
        """The field of a place in the data, or the nearest one around that place."""
        known = {field.path: field for each in self.all for field in each.every()}
        while path and path not in known:
            path = path.rpartition(".")[0]
        return known.get(path)

    def titled(self, field: FormField) -> str:
        """Its title after those of what it is in: `Lines 2, Unit price, Amount`."""
        around = [
            each
            for one in self.all
            for each in one.every()
            if f"{field.path}.".startswith(f"{each.path}.") and (each is field or each.kind == "group")
        ]
        return ", ".join(each.title for each in around)

    def data(self, form: Form) -> dict[str, Any]:
        """What the form says; a field that was left empty is not in it. Raises InvalidRequest."""
        errors: list[FieldError] = []
        data = _members(self.all, form, errors)
        if errors:
            raise InvalidRequest(errors)
        refuse_tokens(data)
        refuse_depth(data)
        return data


def fields_of(
    model: type[BaseModel], form: Form | None = None, *, more: str = "", lists: bool = True
) -> Fields:
    """The fields of the model. Lists have the rows that are filled in in `form`, at least one, and an empty
    one more in the list named `more`; without `lists` they are written as JSON."""
    schema = model.model_json_schema()
    builder = _Builder(schema.get("$defs", {}), form or {}, more, lists)
    return Fields(builder.members(schema, _Place("", "", insists=True, above=())))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a field is, whether the data cannot be without what it is in, and the definitions around it."""

    name: str
    path: str
    insists: bool
    above: tuple[str, ...]
    level: int = 0

    def below(self, name: str, number: str | None = None) -> "_Place":
        def join(above: str, last: str) -> str:
            return f"{above}.{last}" if above else last

        return replace(
            self,
            name=join(self.name, name),
            path=join(self.path, number or name),
            level=self.level + 1,
        )


@dataclass(frozen=True, slots=True)
class _Builder:
    definitions: Mapping[str, Schema]
    form: Form
    more: str
    lists: bool

    def members(self, schema: Schema, place: _Place) -> tuple[FormField, ...]:
        required = schema.get("required", [])
        return tuple(
            self.field(name.replace("_", " ").capitalize(), each, place.below(name), name in required)
            for name, each in schema.get("properties", {}).items()
        )

    def field(self, title: str, said: Schema, place: _Place, required: bool) -> FormField:
        schema, above, nullable = self.resolved(said, place.above)
        insists = required and place.insists and not nullable
        place = replace(place, insists=insists, above=above)
        kind = self.kind(schema, place)
        enum = [each for each in _enum(schema) if each is not None]
        coded = not all(isinstance(each, str) for each in enum)
        rows, full = self.rows(title, schema, place) if kind == "list" else ((), False)
        return FormField(
            place.name,
            place.path,
            title,
            kind,
            required,
            insists,
            nullable,
            choices=tuple(orjson.dumps(each).decode() if coded else each for each in enum),
            coded=coded,
            hint=str(said.get("description") or schema.get("description", "")),
            default=None if said.get("default") in ("", [], {}) else said.get("default"),
            length_max=schema.get("maxLength"),
            least=schema.get("minimum"),
            most=schema.get("maximum"),
            fields=self.members(schema, place) if kind == "group" else rows,
            full=full,
            schema=self.whole(schema) if kind == "json" else None,
        )

    def rows(self, title: str, schema: Schema, place: _Place) -> tuple[tuple[FormField, ...], bool]:
        """Those that are filled in, and empty ones to go on with; whether there can be no more."""
        begin = f"{PREFIX}{place.name}."
        filled = {
            name.removeprefix(begin).partition(".")[0]
            for name, text in self.form.items()
            if text and name.startswith(begin)
        }
        numbers = sorted(int(each) for each in filled if _NUMBER.fullmatch(each))
        most = min(schema.get("maxItems", ROWS_MAX), ROWS_MAX)
        if not numbers or (place.name == self.more and len(numbers) < most):
            numbers.append(numbers[-1] + 1 if numbers else 0)
        found = []
        for row, number in enumerate(numbers):
            below = replace(place.below(str(number), str(row)), insists=False)
            found.append(self.field(f"{title} {row + 1}", schema["items"], below, required=True))
        return tuple(found), len(numbers) >= most

    def kind(self, schema: Schema, place: _Place) -> Kind:
        if _enum(schema):
            return "choice"
        name = str(schema.get("type"))
        group = name == "object" and "properties" in schema
        if group or (name == "array" and "items" in schema and self.lists):
            return "json" if place.level > LEVELS_MAX else "group" if group else "list"
        return _FORMATS.get(schema.get("format", "")) or _SIMPLE.get(name, "json")

    def resolved(self, schema: Schema, above: tuple[str, ...]) -> tuple[Schema, tuple[str, ...], bool]:
        """The schema itself behind references and behind "or null"; the definitions that it is in; whether it
        may be null. What contains itself stays a reference."""
        nullable = False
        while True:
            if "$ref" in schema:
                name = str(schema["$ref"]).rpartition("/")[2]
                if name in above:
                    return schema, above, nullable
                schema, above = self.definitions[name], (*above, name)
                continue
            others = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
            nullable |= len(others) < len(schema.get("anyOf", []))
            if len(others) == 1:
                schema = others[0]
                continue
            if [each.get("type") for each in others] == ["number", "string"]:
                return {"type": "decimal"}, above, nullable
            return schema, above, nullable

    def whole(self, schema: Schema) -> Schema:
        """With the definitions that it refers to, for people."""
        needed: dict[str, Schema] = {}
        waiting: list[Any] = [schema]
        while waiting:
            match waiting.pop():
                case {"$ref": str(ref)} if (name := ref.rpartition("/")[2]) not in needed:
                    needed[name] = self.definitions[name]
                    waiting.append(needed[name])
                case dict() as members:
                    waiting += members.values()
                case list() as members:
                    waiting += members
        return {**schema, "$defs": needed} if needed else schema


def _enum(schema: Schema) -> list[Any]:
    return schema.get("enum") or ([schema["const"]] if "const" in schema else [])


def _members(fields: tuple[FormField, ...], form: Form, errors: list[FieldError]) -> dict[str, Any]:
    found = {}
    for field in fields:
        text = form.get(field.form_name, "")
        if field.typed(form) or (
            field.required and field.kind in ("text", "group", "list") and not field.nullable
        ):
            found[_last(field.path)] = _value(field, text, form, errors)
        elif field.required and field.nullable:
            found[_last(field.path)] = None
    return found


def _value(field: FormField, text: str, form: Form, errors: list[FieldError]) -> Any:
    if field.kind == "group":
        return _members(field.fields, form, errors)
    if field.kind == "list":
        rows = [row for row in field.fields if row.typed(form)]
        return [_value(row, form.get(row.form_name, ""), form, errors) for row in rows]
    if field.kind == "time":
        return utc(text)
    if field.kind in ("text", "decimal", "date") or (field.kind == "choice" and not field.coded):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        errors.append(FieldError(field=field.path, message=f"must be {_ASKED[field.kind]}"))
        return None


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def utc(text: str) -> str:
    """What a field for a time says, which is in UTC, with its seconds and its offset."""
    return text if _ZONED.search(text) else f"{text}:00Z" if _MINUTES.search(text) else f"{text}Z"


def _in_utc(time: datetime) -> datetime:
    """Raises ValueError."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Moment = Annotated[Time, BeforeValidator(utc), AfterValidator(_in_utc)]
"""What a field for a time says, in UTC."""
