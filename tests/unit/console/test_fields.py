"""Fields of a form, made from a model, and the data that comes in by them."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from app.console.fields import ROWS_MAX, FormField, fields_of, utc
from app.problems import InvalidRequest
from domain.personal import TOKEN_PREFIX
from workflows.fulfil_order import FulfilOrder


class Size(Enum):
    """How large."""

    SMALL = 1
    LARGE = 2


class Part(BaseModel):
    """A part of it."""

    name: Annotated[str, Field(max_length=9)]
    amount: Decimal | None = None


class Tree(BaseModel):
    leaf: str = ""
    below: Optional["Tree"] = None


class Everything(BaseModel):
    text: str
    count: Annotated[int, Field(ge=1, le=9)]
    ratio: float = 0.5
    price: Decimal = Decimal("1.50")
    sure: bool = False
    colour: Literal["red", "blue"] | None = None
    size: Size = Size.SMALL
    day: date | None = None
    at: datetime | None = None
    part: Part
    other: Part | None = None
    nothing: str | None
    tags: Annotated[list[str], Field(max_length=3)] = []
    parts: list[Part] = []
    free: dict[str, Any] = {}
    either: int | Part | None = None
    tree: Tree | None = None


WHOLE = {
    "data.text": "a",
    "data.count": "3",
    "data.ratio": "0.25",
    "data.price": "12.30",
    "data.sure": "true",
    "data.colour": "blue",
    "data.size": "2",
    "data.day": "2026-11-27",
    "data.at": "2026-11-27T09:30",
    "data.part.name": "wheel",
    "data.part.amount": "0.1",
    "data.tags.0": "x",
    "data.tags.2": "z",
    "data.parts.1.name": "axle",
    "data.free": '{"any": [1]}',
    "data.either": "7",
    "data.tree.leaf": "green",
    "data.tree.below": '{"leaf": "red"}',
}


def kinds(fields: tuple[FormField, ...]) -> dict[str, Any]:
    return {field.name: {field.kind: kinds(field.fields)} if field.fields else field.kind for field in fields}


def test_every_type_has_its_field() -> None:
    part = {"name": "text", "amount": "decimal"}

    def of(name: str) -> dict[str, Any]:
        return {"group": {f"{name}.{each}": kind for each, kind in part.items()}}

    assert kinds(fields_of(Everything).all) == {
        "text": "text",
        "count": "integer",
        "ratio": "number",
        "price": "decimal",
        "sure": "boolean",
        "colour": "choice",
        "size": "choice",
        "day": "date",
        "at": "time",
        "part": of("part"),
        "other": of("other"),
        "nothing": "text",
        "tags": {"list": {"tags.0": "text"}},
        "parts": {"list": {"parts.0": of("parts.0")}},
        "free": "json",
        "either": "json",
        "tree": {"group": {"tree.leaf": "text", "tree.below": "json"}},
    }


def test_what_is_typed_is_the_data() -> None:
    made = Everything.model_validate(fields_of(Everything, WHOLE).data(WHOLE))

    assert made == Everything.model_validate(
        {
            "text": "a",
            "count": 3,
            "ratio": 0.25,
            "price": "12.30",
            "sure": True,
            "colour": "blue",
            "size": 2,
            "day": "2026-11-27",
            "at": "2026-11-27T09:30:00Z",
            "part": {"name": "wheel", "amount": "0.1"},
            "nothing": None,
            "tags": ["x", "z"],
            "parts": [{"name": "axle"}],
            "free": {"any": [1]},
            "either": 7,
            "tree": {"leaf": "green", "below": {"leaf": "red"}},
        }
    )


def test_what_is_left_empty_is_not_in_the_data() -> None:
    assert fields_of(Everything).data({}) == {"text": "", "part": {"name": ""}, "nothing": None}


def test_a_browser_insists_only_on_what_cannot_be_left_out() -> None:
    insists = {each.path for field in fields_of(Everything) for each in field.every() if each.insists}

    assert insists == {"text", "count", "part", "part.name"}


def test_the_form_says_what_the_schema_says() -> None:
    fields = {each.name: each for field in fields_of(Everything) for each in field.every()}

    assert (fields["count"].least, fields["count"].most) == (1, 9)
    assert fields["part.name"].length_max == 9
    assert fields["part"].hint == "A part of it."
    assert (fields["size"].choices, fields["size"].default) == (("1", "2"), 1)
    assert (fields["sure"].default, fields["tags"].default) == (False, None)
    assert (fields["colour"].choices, fields["colour"].required) == (("red", "blue"), False)
    assert "Part" in (fields["either"].schema or {})["$defs"]
    assert "Tree" in (fields["tree.below"].schema or {})["$defs"]


def rows(form: dict[str, str], more: str = "") -> list[tuple[str, str]]:
    [found] = [field for field in fields_of(Everything, form, more=more) if field.name == "parts"]
    return [(row.name, row.path) for row in found.fields]


def test_empty_rows_are_left_out_and_the_others_keep_their_names() -> None:
    form = {"data.parts.4.name": "b", "data.parts.2.name": "a"}

    assert rows({}) == [("parts.0", "parts.0")]
    assert rows(form) == [("parts.2", "parts.0"), ("parts.4", "parts.1")]
    assert rows(form, "parts") == [*rows(form), ("parts.5", "parts.2")]
    assert rows({}, "parts") == rows({})
    assert fields_of(Everything, form).data(form)["parts"] == [{"name": "a"}, {"name": "b"}]


def test_there_are_no_more_rows_than_the_list_takes() -> None:
    three = {f"data.tags.{number}": "x" for number in range(3)}
    [tags] = [each for each in fields_of(Everything, three, more="tags") if each.name == "tags"]
    assert (len(tags.fields), tags.full) == (3, True)

    many = {f"data.parts.{number}.name": "x" for number in range(ROWS_MAX)}
    assert len(rows(many, "parts")) == ROWS_MAX
    assert rows({"data.parts.99999.name": "x", "data.parts.\u0661.name": "x"}) == rows({})


def test_a_fault_is_said_at_its_field() -> None:
    fields = fields_of(Everything, WHOLE)

    def name(path: str) -> str | None:
        found = fields.at(path)
        return found.name if found else None

    assert name("parts.0.name") == "parts.1.name"
    assert name("tags.1") == "tags.2"
    assert name("free.any.0") == "free"
    assert [fields.titled(each) for path in ("parts.0.name", "tags.1") if (each := fields.at(path))] == [
        "Parts 1, Name",
        "Tags 2",
    ]
    assert name("nowhere") is None
    assert name("") is None


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"data.count": "many"}, {"count"}),
        ({"data.count": "1", "data.ratio": "NaN", "data.sure": "perhaps"}, {"ratio", "sure"}),
        ({"data.free": "{", "data.parts.3.amount": "1", "data.size": "XL"}, {"free", "size"}),
    ],
)
def test_all_that_is_not_of_its_kind_is_said_at_once(form: dict[str, str], wrong: set[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        fields_of(Everything, form).data(form)

    assert {error.field for error in refused.value.errors} == wrong


@pytest.mark.parametrize(
    "free",
    [
        f'["{TOKEN_PREFIX}"]'.replace("p", "\\u0070"),
        f"{'[' * 100}{']' * 100}",
    ],
)
def test_json_in_a_field_is_held_to_the_rules_of_a_body(free: str) -> None:
    form = {"data.free": free}
    with pytest.raises(InvalidRequest):
        fields_of(Everything, form).data(form)


def test_the_input_of_an_order_has_groups_and_rows() -> None:
    fields = {each.name: each for field in fields_of(FulfilOrder) for each in field.every()}

    assert {"ship_to.name", "lines.0.unit_price.amount"} <= fields.keys()
    assert (fields["lines"].kind, fields["lines"].full) == ("list", False)
    assert fields["ship_to.name"].length_max == 200


def test_without_lists_they_are_json() -> None:
    fields = {field.name: field.kind for field in fields_of(FulfilOrder, lists=False)}

    assert (fields["lines"], fields["ship_to"]) == ("json", "group")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-27T09:30", "2026-11-27T09:30:00Z"),
        ("2026-11-27T09:30:15", "2026-11-27T09:30:15Z"),
        ("2026-11-27T09:30:15+02:00", "2026-11-27T09:30:15+02:00"),
        ("2026-11-27T09:30:15z", "2026-11-27T09:30:15z"),
    ],
)
def test_a_time_without_an_offset_is_in_utc(text: str, said: str) -> None:
    assert utc(text) == said
