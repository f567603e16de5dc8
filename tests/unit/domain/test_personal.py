"""Personal fields: what they accept, whose they are, and what they look like from outside."""

from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel, ValidationError

from domain.order import OrderPlaced, PlaceOrder
from domain.personal import Personal, PersonalText, with_texts, without_subject
from domain.values import Address, Name

TOKEN = f"personal:1:{'k' * 22}:{'c' * 600};"


class Letter(BaseModel):
    text: Annotated[str, Personal()]
    sender: Address | None = None


class Envelope(BaseModel):
    data_subject: ClassVar[str] = "person_id"

    person_id: str
    letters: tuple[Letter, ...] = ()
    others: dict[str, list[Address]] = {}


class Parcel(Envelope):
    data_subject: ClassVar[str] = "owner"


class Chain(BaseModel):
    name: Annotated[Name, Personal()]
    next: "Chain | None" = None


def test_text_keeps_its_rule_and_a_token_needs_none() -> None:
    assert Address(name="Hanna Moos", country="Germany").name == "Hanna Moos"
    assert Address(name=TOKEN, country="Germany").name == TOKEN
    for bad in ("", "x" * 201, "two\nlines", TOKEN[:-1], f"to {TOKEN}"):
        with pytest.raises(ValidationError):
            Address(name=bad, country="Germany")


def test_a_token_is_no_value_of_a_field_that_is_not_personal() -> None:
    with pytest.raises(ValidationError):
        Address(name="Hanna Moos", country=TOKEN)


def test_a_value_survives_json_and_copies_as_a_personal_one() -> None:
    address = Address(name="Hanna Moos", country="Germany")

    for again in (
        Address.model_validate(address.model_dump(mode="json")),
        Address.model_validate_json(address.model_dump_json()),
        Address.model_validate(address),
    ):
        assert again == address
        assert isinstance(again.name, PersonalText)


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_is_that_of_a_text(mode: str) -> None:
    schema = Address.model_json_schema(mode="validation" if mode == "validation" else "serialization")

    named, plain = schema["properties"]["name"], schema["properties"]["country"]
    assert {**named, "title": ""} == {**plain, "title": ""}


def test_each_text_comes_with_the_nearest_person() -> None:
    seen: list[tuple[str, str | None]] = []
    envelope = Envelope(
        person_id="p1",
        letters=(Letter(text="dear"),),
        others={"a": [Address(name="n", country="c")]},
    )

    def note(text: str, subject: str | None) -> str:
        seen.append((text, subject))
        return text

    assert with_texts(envelope, note) is envelope
    assert seen == [("p1", "p1"), ("dear", "p1"), ("n", "p1"), ("c", "p1")]


def test_only_what_is_changed_is_made_anew() -> None:
    envelope = Envelope(person_id="p1", letters=(Letter(text="dear"), Letter(text="sir")))

    changed = with_texts(envelope, lambda text, _: "DEAR" if text == "dear" else text)

    assert changed.letters == (Letter(text="DEAR"), Letter(text="sir"))
    assert changed.letters[1] is envelope.letters[1]
    assert envelope.letters[0].text == "dear"


def test_personal_fields_of_nobody_are_found() -> None:
    assert without_subject(PlaceOrder) == []
    assert without_subject(Envelope) == []
    assert without_subject(OrderPlaced) == ["OrderPlaced.ship_to.name"]
    assert without_subject(Letter) == ["Letter.text", "Letter.sender.name"]
    assert without_subject(Chain) == ["Chain.name"]


def test_a_subject_that_is_no_field_is_found() -> None:
    assert without_subject(Parcel) == ["Parcel.owner"]
