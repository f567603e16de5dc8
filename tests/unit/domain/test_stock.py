"""What a stock item does, refuses and stays quiet about."""

from domain.stock import (
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    ShipStock,
    StockReceived,
    StockReleased,
    StockReserved,
    StockShipped,
    stock,
)
from tests.unit.domain.spec import given

RECEIVED = StockReceived(sku="11", quantity=10)
RESERVED = StockReserved(sku="11", order_id="o1", quantity=4)
RELEASED = StockReleased(sku="11", order_id="o1", quantity=4)
SHIPPED = StockShipped(sku="11", order_id="o1", quantity=4)


def test_received_stock_is_added() -> None:
    given(stock).when(ReceiveStock(sku="11", quantity=10)).then(RECEIVED)


def test_received_stock_is_on_hand() -> None:
    given(stock, RECEIVED, RECEIVED).then_state(received=20, on_hand=20, reserved={}, shipped=0)


def test_a_reservation_takes_from_what_is_on_hand() -> None:
    given(stock, RECEIVED).when(ReserveStock(sku="11", order_id="o1", quantity=4)).then(RESERVED)


def test_reserved_stock_is_no_longer_on_hand() -> None:
    given(stock, RECEIVED, RESERVED).then_state(received=10, on_hand=6, reserved={"o1": 4}, shipped=0)


def test_all_that_is_on_hand_can_be_reserved() -> None:
    last = ReserveStock(sku="11", order_id="o2", quantity=6)

    given(stock, RECEIVED, RESERVED).when(last).then(StockReserved(sku="11", order_id="o2", quantity=6))


def test_more_than_is_on_hand_is_refused_with_the_figures() -> None:
    too_many = ReserveStock(sku="11", order_id="o2", quantity=7)

    rejected = given(stock, RECEIVED, RESERVED).when(too_many).then_rejected("insufficient-stock")

    assert rejected.data == {"sku": "11", "requested": 7, "on_hand": 6}


def test_stock_that_never_arrived_cannot_be_reserved() -> None:
    given(stock).when(ReserveStock(sku="x", order_id="o1", quantity=1)).then_rejected("insufficient-stock")


def test_the_same_reservation_again_adds_nothing() -> None:
    given(stock, RECEIVED, RESERVED).when(ReserveStock(sku="11", order_id="o1", quantity=4)).then()


def test_another_quantity_for_the_same_order_is_refused() -> None:
    other = ReserveStock(sku="11", order_id="o1", quantity=5)

    rejected = given(stock, RECEIVED, RESERVED).when(other).then_rejected("reserved-otherwise")

    assert rejected.data == {"reserved": 4, "requested": 5}


def test_a_release_gives_back_what_the_order_reserved() -> None:
    given(stock, RECEIVED, RESERVED).when(ReleaseStock(sku="11", order_id="o1")).then(RELEASED)


def test_released_stock_is_on_hand_again() -> None:
    given(stock, RECEIVED, RESERVED, RELEASED).then_state(received=10, on_hand=10, reserved={}, shipped=0)


def test_a_release_of_nothing_adds_nothing() -> None:
    given(stock, RECEIVED).when(ReleaseStock(sku="11", order_id="o1")).then()


def test_a_release_leaves_other_orders_alone() -> None:
    other = StockReserved(sku="11", order_id="o2", quantity=1)

    given(stock, RECEIVED, RESERVED, other, RELEASED).then_state(
        received=10, on_hand=9, reserved={"o2": 1}, shipped=0
    )


def test_what_is_reserved_is_shipped() -> None:
    given(stock, RECEIVED, RESERVED).when(ShipStock(sku="11", order_id="o1")).then(SHIPPED)


def test_shipped_stock_is_gone() -> None:
    given(stock, RECEIVED, RESERVED, SHIPPED).then_state(received=10, on_hand=6, reserved={}, shipped=4)


def test_what_is_not_reserved_is_not_shipped() -> None:
    given(stock, RECEIVED).when(ShipStock(sku="11", order_id="o1")).then_rejected("not-reserved")


def test_nothing_is_shipped_twice() -> None:
    given(stock, RECEIVED, RESERVED, SHIPPED).when(ShipStock(sku="11", order_id="o1")).then_rejected(
        "not-reserved"
    )
