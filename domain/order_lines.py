"""The lines of an order, and what they cost."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.money import AMOUNT_MAX, Money
from domain.values import Id, Quantity


class OrderLine(BaseModel):
    """So many of one SKU at a price each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id
    quantity: Quantity
    unit_price: Money


def total_of(lines: tuple[OrderLine, ...]) -> Money:
    """What the lines cost together."""
    return Money(amount=_cost(lines), currency=lines[0].unit_price.currency)


def _cost(lines: tuple[OrderLine, ...]) -> int:
    return sum(line.quantity * line.unit_price.amount for line in lines)


def _check_lines(lines: tuple[OrderLine, ...]) -> tuple[OrderLine, ...]:
    if not lines:  # here, because pydantic's min_length counts valid lines only and would complain twice
        raise ValueError("an order has at least one line")
    currencies = sorted({line.unit_price.currency for line in lines})
    if len(currencies) > 1:
        raise ValueError(f"unit_price: an order has one currency, not {' and '.join(currencies)}")
    skus = [line.sku for line in lines]
    if len(set(skus)) < len(skus):
        raise ValueError("sku: an order has one line for each sku")
    if not 0 < _cost(lines) <= AMOUNT_MAX:
        raise ValueError(f"unit_price: an order costs between 1 and {AMOUNT_MAX} minor units")
    return lines


OrderLines = Annotated[
    tuple[OrderLine, ...],
    Field(max_length=500, json_schema_extra={"minItems": 1}),
    AfterValidator(_check_lines),
]
