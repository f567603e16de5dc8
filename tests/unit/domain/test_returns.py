"""What can be returned of an order, and what becomes of a return."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain import Command, Event, Rejected
from domain.money import Money
from domain.order import Order, OrderCancelled, OrderCompleted, OrderPlaced, order
from domain.order_lines import OrderLine
from domain.returns import (
    CancelReturn,
    CloseReturn,
    ExpireReturn,
    RefuseReturn,
    RequestReturn,
    ReturnCancelled,
    ReturnClosed,
    ReturnExpired,
    ReturnLine,
    ReturnRefused,
    ReturnRequested,
)
from domain.values import Address
from tests.unit.domain.spec import given

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="ana",
    ship_to=Address(name="Ana", country="Peru"),
    lines=(
        OrderLine(sku="11", quantity=3, unit_price=Money(amount=500, currency="USD")),
        OrderLine(sku="12", quantity=1, unit_price=Money(amount=300, currency="USD")),
    ),
    total=Money(amount=1800, currency="USD"),
)
DELIVERED = (PLACED, OrderCompleted(order_id="o1"))
IDS: dict[str, Any] = {"order_id": "o1", "return_id": "r1"}
BY: dict[str, Any] = {"by": "Bo", "note": "looks new"}


def request(return_id: str = "r1", **quantities: int) -> RequestReturn:
    """So many of sku11 and sku12."""
    lines = tuple(
        ReturnLine(sku=sku.removeprefix("sku"), quantity=quantity) for sku, quantity in quantities.items()
    )
    return RequestReturn(
        order_id="o1", return_id=return_id, customer_id="ana", lines=lines, reason="too small"
    )


def requested(asked: RequestReturn, refund: int) -> ReturnRequested:
    return ReturnRequested(**dict(asked), refund=Money(amount=refund, currency="USD"))


ASKED = request(sku11=2, sku12=1)
REQUESTED = requested(ASKED, 1300)
REFUSED = ReturnRefused(**IDS, **BY)
EXPIRED = ReturnExpired(**IDS)
CLOSED = ReturnClosed(**IDS, **BY)
CANCELLED = ReturnCancelled(**IDS)


def test_what_was_delivered_can_be_returned_for_what_it_cost() -> None:
    given(order, *DELIVERED).when(ASKED).then(REQUESTED)


@pytest.mark.parametrize(
    ("history", "status"),
    [([], "new"), ([PLACED], "placed"), ([PLACED, OrderCancelled(order_id="o1")], "cancelled")],
)
def test_only_a_completed_order_can_be_returned(history: list[Event], status: str) -> None:
    rejected = given(order, *history).when(ASKED).then_rejected("order-not-completed")

    assert rejected.data == {"status": status}


def test_only_its_customer_can_return_it() -> None:
    given(order, *DELIVERED).when(ASKED.model_copy(update={"customer_id": "ben"})).then_rejected(
        "other-customer"
    )


@pytest.mark.parametrize(("asked", "returnable"), [(request(sku11=4), 3), (request(sku13=1), 0)])
def test_no_more_than_was_ordered_can_be_returned(asked: RequestReturn, returnable: int) -> None:
    rejected = given(order, *DELIVERED).when(asked).then_rejected("not-returnable")

    assert rejected.data["returnable"] == returnable


@pytest.mark.parametrize("end", [[], [CLOSED]], ids=["requested", "closed"])
def test_the_same_items_are_not_returned_twice(end: list[Event]) -> None:
    again = request("r2", sku11=2)

    rejected = given(order, *DELIVERED, REQUESTED, *end).when(again).then_rejected("not-returnable")

    assert rejected.data == {"sku": "11", "requested": 2, "returnable": 1}


def test_what_is_left_can_be_returned_later() -> None:
    rest = request("r2", sku11=1)

    given(order, *DELIVERED, REQUESTED, CLOSED).when(rest).then(requested(rest, 500))


@pytest.mark.parametrize("end", [REFUSED, EXPIRED, CANCELLED], ids=["refused", "expired", "cancelled"])
def test_items_whose_return_came_to_nothing_can_be_returned_later(end: Event) -> None:
    again = request("r2", sku11=2, sku12=1)

    given(order, *DELIVERED, REQUESTED, end).when(again).then(requested(again, 1300))


@pytest.mark.parametrize("end", [[], [REFUSED], [CLOSED], [CANCELLED]])
def test_a_return_id_is_used_once(end: list[Event]) -> None:
    given(order, *DELIVERED, REQUESTED, *end).when(ASKED).then_rejected("return-already-requested")


@pytest.mark.parametrize(
    "lines", [[], [{"sku": "11", "quantity": 1}] * 2, [{"sku": "11", "quantity": 0}], [{"sku": "11"}]]
)
def test_impossible_lines_are_refused(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        RequestReturn.model_validate({**ASKED.model_dump(), "lines": lines})


ENDINGS = [
    (RefuseReturn(**IDS, **BY), REFUSED),
    (ExpireReturn(**IDS), EXPIRED),
    (CloseReturn(**IDS, **BY), CLOSED),
    (CancelReturn(**IDS), CANCELLED),
]
each_ending = pytest.mark.parametrize(("command", "event"), ENDINGS, ids=lambda one: type(one).__name__)


@each_ending
def test_a_requested_return_can_end_so(command: Command, event: Event) -> None:
    given(order, *DELIVERED, REQUESTED).when(command).then(event)


@each_ending
def test_it_ends_so_once(command: Command, event: Event) -> None:
    given(order, *DELIVERED, REQUESTED, event).when(command).then()


@pytest.mark.parametrize("command", [ExpireReturn(**IDS), CloseReturn(**IDS, **BY)])
def test_a_return_that_was_refused_does_not_end_otherwise(command: Command) -> None:
    given(order, *DELIVERED, REQUESTED, REFUSED).when(command).then_rejected("return-not-requested")


@pytest.mark.parametrize("command", [command for command, _ in ENDINGS[:-1]])
def test_an_unknown_return_does_not_end(command: Command) -> None:
    given(order, *DELIVERED).when(command).then_rejected("return-not-requested")


def test_a_closed_return_can_be_cancelled() -> None:
    given(order, *DELIVERED, REQUESTED, CLOSED).when(CancelReturn(**IDS)).then(CANCELLED)


@pytest.mark.parametrize("history", [[], [REQUESTED, REFUSED], [REQUESTED, EXPIRED]])
def test_cancelling_what_is_not_there_adds_nothing(history: list[Event]) -> None:
    given(order, *DELIVERED, *history).when(CancelReturn(**IDS)).then()


def test_an_order_keeps_its_returns() -> None:
    state = order.fold([*DELIVERED, REQUESTED, CLOSED]).model_dump(mode="json")

    assert state["returns"] == {
        "r1": {"status": "closed", "lines": [{"sku": "11", "quantity": 2}, {"sku": "12", "quantity": 1}]}
    }
    assert state["status"] == "completed"


ids = st.sampled_from(["r1", "r2", "r3"])
commands = st.one_of(
    st.builds(request, ids, sku11=st.integers(1, 4)),
    st.builds(request, ids, sku11=st.integers(1, 2), sku12=st.integers(1, 2)),
    st.builds(CloseReturn, order_id=st.just("o1"), return_id=ids, by=st.just("Bo")),
    st.builds(RefuseReturn, order_id=st.just("o1"), return_id=ids, by=st.just("Bo")),
    st.builds(ExpireReturn, order_id=st.just("o1"), return_id=ids),
    st.builds(CancelReturn, order_id=st.just("o1"), return_id=ids),
)


@pytest.mark.slow
@settings(max_examples=300)
@for_all(st.lists(commands, max_size=15))
def test_never_more_is_returned_than_was_delivered(asked: list[Any]) -> None:
    state = order.fold(DELIVERED)
    for command in asked:
        try:
            state = order.fold(order.decide(state, command), state)
        except Rejected:
            continue
        kept = kept_of(state)
        assert kept["11"] <= 3
        assert kept["12"] <= 1


def kept_of(state: Order) -> Counter[str]:
    kept: Counter[str] = Counter()
    for one in state.returns.values():
        if one.keeps_its_items:
            kept.update({line.sku: line.quantity for line in one.lines})
    return kept
