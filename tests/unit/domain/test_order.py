"""What an order does, refuses and stays quiet about."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.money import AMOUNT_MAX, Money
from domain.order import (
    CancelOrder,
    CompleteOrder,
    OrderCancelled,
    OrderCompleted,
    OrderPlaced,
    PlaceOrder,
    order,
)
from domain.order_lines import OrderLine, total_of
from domain.values import Address
from tests.unit.domain.spec import given

SHIP_TO = Address(name="Vins et alcools Chevalier", country="France")
LINES = (
    OrderLine(sku="11", quantity=12, unit_price=Money(amount=1400, currency="USD")),
    OrderLine(sku="42", quantity=10, unit_price=Money(amount=980, currency="USD")),
)
PLACE = PlaceOrder(order_id="10248", customer_id="VINET", ship_to=SHIP_TO, lines=LINES)
PLACED = OrderPlaced(
    order_id="10248",
    customer_id="VINET",
    ship_to=SHIP_TO,
    lines=LINES,
    total=Money(amount=26_600, currency="USD"),
)
CANCELLED = OrderCancelled(order_id="10248")
COMPLETED = OrderCompleted(order_id="10248")


def test_a_placed_order_knows_its_total() -> None:
    given(order).when(PLACE).then(PLACED)


@pytest.mark.parametrize("history", [[PLACED], [PLACED, CANCELLED], [PLACED, COMPLETED]])
def test_an_order_id_is_used_once(history: list[Any]) -> None:
    given(order, *history).when(PLACE).then_rejected("order-already-placed")


def test_a_placed_order_is_cancelled() -> None:
    given(order, PLACED).when(CancelOrder(order_id="10248")).then(CANCELLED)


@pytest.mark.parametrize("history", [[], [PLACED, CANCELLED]])
def test_cancelling_what_is_not_there_adds_nothing(history: list[Any]) -> None:
    given(order, *history).when(CancelOrder(order_id="10248")).then()


def test_a_completed_order_is_not_cancelled() -> None:
    given(order, PLACED, COMPLETED).when(CancelOrder(order_id="10248")).then_rejected("order-completed")


def test_a_placed_order_is_completed() -> None:
    given(order, PLACED).when(CompleteOrder(order_id="10248")).then(COMPLETED)


def test_completing_again_adds_nothing() -> None:
    given(order, PLACED, COMPLETED).when(CompleteOrder(order_id="10248")).then()


@pytest.mark.parametrize("history", [[], [PLACED, CANCELLED]])
def test_only_a_placed_order_is_completed(history: list[Any]) -> None:
    given(order, *history).when(CompleteOrder(order_id="10248")).then_rejected("order-not-placed")


@pytest.mark.parametrize(
    ("history", "status"),
    [([PLACED], "placed"), ([PLACED, CANCELLED], "cancelled"), ([PLACED, COMPLETED], "completed")],
)
def test_an_order_keeps_what_was_ordered(history: list[Any], status: str) -> None:
    given(order, *history).then_state(
        status=status,
        customer_id="VINET",
        ship_to={"name": "Vins et alcools Chevalier", "country": "France"},
        lines=[line.model_dump() for line in LINES],
        total={"amount": 26_600, "currency": "USD"},
        returns={},
    )


def line(**changed: Any) -> dict[str, Any]:
    return {"sku": "11", "quantity": 1, "unit_price": {"amount": 5, "currency": "USD"}} | changed


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ([], ("lines",), "at least one line"),
        ([line(sku=str(n)) for n in range(501)], ("lines",), "at most 500 items"),
        ([line(), line()], ("lines",), "one line for each sku"),
        (
            [line(), line(sku="12", unit_price={"amount": 5, "currency": "EUR"})],
            ("lines",),
            "one currency, not EUR and USD",
        ),
        ([line(unit_price={"amount": 0, "currency": "USD"})], ("lines",), "costs between 1 and"),
        ([line(quantity=0)], ("lines", 0, "quantity"), "greater than or equal to 1"),
        ([line(quantity=-3)], ("lines", 0, "quantity"), "greater than or equal to 1"),
        ([line(quantity=1_000_001)], ("lines", 0, "quantity"), "less than or equal to 1000000"),
        ([line(quantity=1.0)], ("lines", 0, "quantity"), "valid integer"),
        ([line(quantity=True)], ("lines", 0, "quantity"), "valid integer"),
        ([line(sku="a/b")], ("lines", 0, "sku"), "match pattern"),
        ([line(discount=1)], ("lines", 0, "discount"), "not permitted"),
        (
            [line(quantity=2, unit_price={"amount": AMOUNT_MAX, "currency": "USD"})],
            ("lines",),
            "costs between 1 and",
        ),
    ],
)
def test_impossible_lines_are_refused_by_name(lines: list[Any], place: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PlaceOrder.model_validate(
            {"order_id": "1", "customer_id": "c", "ship_to": SHIP_TO.model_dump(), "lines": lines}
        )

    assert [error["loc"] for error in refused.value.errors()] == [place]
    assert message in str(refused.value)


def test_an_order_may_cost_all_that_an_amount_can_be() -> None:
    dearest = OrderLine(sku="11", quantity=1, unit_price=Money(amount=AMOUNT_MAX, currency="USD"))

    placed = PlaceOrder(order_id="1", customer_id="c", ship_to=SHIP_TO, lines=(dearest,))

    assert total_of(placed.lines).amount == AMOUNT_MAX


def test_an_order_may_have_500_lines_and_a_free_one_among_them() -> None:
    lines = [line(sku=str(n)) for n in range(499)] + [
        line(sku="free", unit_price={"amount": 0, "currency": "USD"})
    ]

    placed = PlaceOrder.model_validate(
        {"order_id": "1", "customer_id": "c", "ship_to": SHIP_TO.model_dump(), "lines": lines}
    )

    assert len(placed.lines) == 500
