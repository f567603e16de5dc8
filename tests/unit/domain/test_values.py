"""Bounds of the value types: what comes in from outside is refused at the edge."""

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from domain.money import AMOUNT_MAX, Currency, Money, PositiveMoney
from domain.values import Address, Id, Name


class Payment(BaseModel):
    money: PositiveMoney


@pytest.mark.parametrize("good", ["1", "VINET", "fulfil-order-10248", "a.b_c:d-e", "x" * 120])
def test_ids_of_the_alphabet_are_taken(good: str) -> None:
    assert TypeAdapter(Id).validate_python(good) == good


@pytest.mark.parametrize("bad", ["", "x" * 121, "a/b", "a b", "é", "a\n", "a\0", 7, None])
def test_other_ids_are_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Id).validate_python(bad)


@pytest.mark.parametrize("bad", ["", "x" * 201, "two\nlines", "a\0b", "\x7f", "\ud800"])
def test_names_are_one_bounded_line(bad: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(bad)


def test_names_are_in_any_language() -> None:
    assert Address(name="Vins & Ålesund 漢字", country="Österreich").name == "Vins & Ålesund 漢字"


@pytest.mark.parametrize("bad", ["usd", "US", "USDX", "US1", ""])
def test_a_currency_is_three_capital_letters(bad: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Currency).validate_python(bad)


@pytest.mark.parametrize("bad", [-1, AMOUNT_MAX + 1, 1.0, "1", True, None])
def test_an_amount_is_an_integer_within_bounds(bad: Any) -> None:
    with pytest.raises(ValidationError):
        Money(amount=bad, currency="USD")


def test_a_payment_of_nothing_is_refused_by_name() -> None:
    with pytest.raises(ValidationError) as refused:
        Payment.model_validate({"money": {"amount": 0, "currency": "USD"}})

    assert [error["loc"] for error in refused.value.errors()] == [("money",)]
