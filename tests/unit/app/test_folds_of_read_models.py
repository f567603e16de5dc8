"""The folds of read models, event by event: what a row says that the aggregate does not."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.readmodels.accounts import AccountFold
from app.readmodels.decoding import Change, changes_by_key
from app.readmodels.orders import OrderFold
from app.readmodels.stock import StockFold
from domain.account import AccountOpened, MoneyDeposited, PaymentCaptured, PaymentHeld, PaymentReleased
from domain.aggregates import CATALOG
from domain.money import Money
from domain.order import OrderCancelled, OrderCompleted, OrderPlaced
from domain.order_lines import OrderLine
from domain.reordering import ReorderPointSet
from domain.returns import ReturnCancelled, ReturnClosed, ReturnLine, ReturnRequested
from domain.shipment import ShipmentDispatched
from domain.stock import StockReceived, StockReserved, StockShipped
from domain.values import Address
from eventstore import RecordedEvent, UnknownSchema
from workflows.saga.codec import EventCodec

CODEC = EventCodec(CATALOG)
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SHIP_TO = Address(name="Ana", country="Peru")


def usd(amount: int) -> Money:
    return Money(amount=amount, currency="USD")


def recorded(stream: str, position: int, event: Any, **metadata: str) -> RecordedEvent:
    return RecordedEvent(
        position=position,
        commit_position=position,
        stream=stream,
        version=position,
        event_id=UUID(int=position),
        type=type(event).__name__,
        schema_version=event.schema_version,
        data=event.model_dump(mode="json"),
        metadata=metadata,
        recorded_at=NOW,
    )


def changes(*events: Any, **metadata: str) -> list[Change]:
    return [
        Change(recorded("any-1", position, event, **metadata), [event])
        for position, event in enumerate(events, 1)
    ]


def placed(quantity: int = 2) -> OrderPlaced:
    line = OrderLine(sku="1", quantity=quantity, unit_price=usd(5))
    return OrderPlaced(order_id="o", customer_id="c", ship_to=SHIP_TO, lines=(line,), total=usd(5 * quantity))


def requested(return_id: str, quantity: int) -> ReturnRequested:
    lines = (ReturnLine(sku="1", quantity=quantity),)
    return ReturnRequested(
        order_id="o", return_id=return_id, customer_id="c", lines=lines, reason="x", refund=usd(5)
    )


def closed(return_id: str) -> ReturnClosed:
    return ReturnClosed(order_id="o", return_id=return_id, by="Bo", note="")


DISPATCHED = ShipmentDispatched(order_id="o", tracking="T", ship_to=SHIP_TO)
COMPLETED = OrderCompleted(order_id="o")


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([placed()], "placed"),
        ([placed(), OrderCancelled(order_id="o")], "cancelled"),
        ([placed(), DISPATCHED], "dispatched"),
        ([placed(), DISPATCHED, COMPLETED], "completed"),
        ([placed(), DISPATCHED, COMPLETED, requested("r", 2)], "completed"),
        ([placed(), DISPATCHED, COMPLETED, requested("r", 1), closed("r")], "completed"),
        ([placed(), DISPATCHED, COMPLETED, requested("r", 2), closed("r")], "returned"),
        (
            [
                placed(),
                DISPATCHED,
                COMPLETED,
                requested("r", 1),
                closed("r"),
                requested("s", 1),
                closed("s"),
            ],
            "returned",
        ),
        (
            [
                placed(),
                DISPATCHED,
                COMPLETED,
                requested("r", 2),
                closed("r"),
                ReturnCancelled(order_id="o", return_id="r"),
            ],
            "completed",
        ),
    ],
)
def test_the_status_of_an_order_says_what_became_of_the_goods(events: list[Any], status: str) -> None:
    fold = OrderFold()
    for change in changes(*events):
        fold.take(change)

    assert fold.status == status


def test_an_order_knows_its_sagas_once_and_the_trace_of_the_first() -> None:
    fold = OrderFold()
    told = [("s1", placed()), ("s1", COMPLETED), ("s2", requested("r", 1))]
    for position, (saga_id, event) in enumerate(told, 1):
        trace = f"trace-{saga_id}"
        fold.take(
            Change(recorded("order-o", position, event, saga_id=saga_id, correlation_id=trace), [event])
        )

    assert (fold.saga_ids, fold.correlation_id) == (["s1", "s2"], "trace-s1")


def test_an_order_that_nobody_placed_has_no_place_in_the_list() -> None:
    fold = OrderFold()
    fold.take(changes(DISPATCHED)[0])

    assert (fold.placed, fold.status, fold.row("o")["amount"]) == (None, "dispatched", None)


def test_a_reservation_is_written_when_it_comes_and_removed_when_it_goes() -> None:
    events = changes(
        StockReceived(sku="1", quantity=10),
        StockReserved(sku="1", order_id="o1", quantity=3),
        StockReserved(sku="1", order_id="o2", quantity=2),
        StockShipped(sku="1", order_id="o0", quantity=1),
    )
    row: dict[str, Any] = {
        "received": 5,
        "on_hand": 1,
        "reserved": 4,
        "shipped": 0,
        "reorder_level": None,
        "updated_at": NOW,
        "position": 0,
    }
    fold = StockFold("1", row, [{"order_id": "o0", "quantity": 1}])
    for change in events:
        fold.take(change)

    assert [(each["order_id"], each["quantity"]) for each in fold.reservations()] == [("o1", 3), ("o2", 2)]
    assert fold.released() == [("1", "o0")]
    # Three of some order that no event spoke of are still among them.
    assert (fold.row()["on_hand"], fold.row()["reserved"], fold.row()["shipped"]) == (6, 8, 1)


def test_stock_runs_low_as_its_reorder_point_says() -> None:
    fold = StockFold("1", None, [])
    for change in changes(ReorderPointSet(sku="1", level=5, order_quantity=9)):
        fold.take(change)

    row = fold.row()
    assert (row["reorder_level"], row["reorder_quantity"], row["goods_expected"]) == (5, 9, False)


def test_every_movement_has_the_balance_after_it() -> None:
    fold = AccountFold("a", None, [])
    for change in changes(
        AccountOpened(account_id="a", currency="USD"),
        MoneyDeposited(account_id="a", money=usd(10), reference="gift"),
        PaymentHeld(account_id="a", order_id="o1", money=usd(4)),
        PaymentHeld(account_id="a", order_id="o2", money=usd(3)),
        PaymentReleased(account_id="a", order_id="o2", money=usd(3)),
        PaymentCaptured(account_id="a", order_id="o1", money=usd(4)),
        saga_id="s",
    ):
        fold.take(change)

    told = [(each["kind"], each["change"], each["balance"], each["held"]) for each in fold.movements]
    assert told == [
        ("opened", 0, 0, 0),
        ("deposited", 10, 10, 0),
        ("held", -4, 6, 4),
        ("held", -3, 3, 7),
        ("released", 3, 6, 4),
        ("captured", 0, 6, 0),
    ]
    assert [each["amount"] for each in fold.movements] == [0, 10, 4, 3, 3, 4]
    assert {each["saga_id"] for each in fold.movements} == {"s"}
    assert (fold.holds(), fold.released()) == ([], [])


def test_what_was_one_event_when_it_was_stored_is_as_many_movements_as_it_is_events() -> None:
    fold = AccountFold("a", None, [])
    both = [AccountOpened(account_id="a", currency="USD"), MoneyDeposited(account_id="a", money=usd(10))]
    fold.take(Change(recorded("account-a", 7, both[0]), both))

    told = [(each["position"], each["part"], each["balance"]) for each in fold.movements]
    assert told == [(7, 0, 0), (7, 1, 10)]
    assert fold.row()["movement_count"] == 2


def test_an_event_is_folded_once() -> None:
    fold = AccountFold("a", None, [])
    opened, deposited = changes(
        AccountOpened(account_id="a", currency="USD"), MoneyDeposited(account_id="a", money=usd(10))
    )
    for change in (opened, deposited, opened, deposited):
        fold.take(change)

    assert (fold.row()["balance"], len(fold.movements)) == (10, 2)


def test_an_event_that_cannot_be_read_stops_the_projection() -> None:
    unknown = recorded("account-a", 1, COMPLETED)
    strange = recorded("account-a", 1, AccountOpened(account_id="a", currency="USD"))
    strange.data["currency"] = 5

    with pytest.raises(ValueError, match="currency"):
        changes_by_key(CODEC, [strange], "account")
    with pytest.raises(UnknownSchema):
        changes_by_key(CODEC, [RecordedEvent(**{**_fields(unknown), "type": "Stolen"})], "account")
    assert changes_by_key(CODEC, [recorded("saga-account-1", 1, COMPLETED)], "account") == {}


def _fields(event: RecordedEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in RecordedEvent.__slots__}
