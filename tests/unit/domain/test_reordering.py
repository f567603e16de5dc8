"""When stock says that it runs low, and what customers send back."""

import pytest
from pydantic import ValidationError

from domain.reordering import (
    ExpectGoods,
    GiveUpGoods,
    GoodsExpected,
    GoodsGivenUp,
    ReorderPointSet,
    SetReorderPoint,
    StockRanLow,
)
from domain.stock import (
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    RestockReturned,
    RestockRevoked,
    RevokeRestock,
    ShipStock,
    StockReceived,
    StockReleased,
    StockReserved,
    StockRestocked,
    StockShipped,
    stock,
)
from tests.unit.domain.spec import given

RECEIVED = StockReceived(sku="11", quantity=10)
POINT_SET = ReorderPointSet(sku="11", level=5, order_quantity=20)
SET_POINT = SetReorderPoint(sku="11", level=5, quantity=20)
RAN_LOW = StockRanLow(sku="11", on_hand=4, order_quantity=20)


def reserved(order_id: str, quantity: int) -> StockReserved:
    return StockReserved(sku="11", order_id=order_id, quantity=quantity)


def reserve(order_id: str, quantity: int) -> ReserveStock:
    return ReserveStock(sku="11", order_id=order_id, quantity=quantity)


LOW = (RECEIVED, POINT_SET, reserved("o1", 6), RAN_LOW)


def test_a_reorder_point_is_set() -> None:
    given(stock, RECEIVED).when(SET_POINT).then(POINT_SET)


def test_the_same_reorder_point_again_adds_nothing() -> None:
    given(stock, RECEIVED, POINT_SET).when(SET_POINT).then()


def test_a_reorder_point_can_be_changed() -> None:
    other = SetReorderPoint(sku="11", level=5, quantity=30)

    given(stock, RECEIVED, POINT_SET).when(other).then(ReorderPointSet(sku="11", level=5, order_quantity=30))


@pytest.mark.parametrize("wrong", [{"level": -1}, {"level": 1.5}, {"quantity": 0}])
def test_an_impossible_reorder_point_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SetReorderPoint.model_validate({"sku": "11", "level": 5, "quantity": 20} | wrong)


def test_without_a_reorder_point_nothing_is_said() -> None:
    given(stock, RECEIVED).when(reserve("o1", 10)).then(reserved("o1", 10))


def test_a_reservation_that_leaves_the_level_on_hand_says_nothing() -> None:
    given(stock, RECEIVED, POINT_SET).when(reserve("o1", 5)).then(reserved("o1", 5))


def test_a_reservation_that_leaves_less_says_that_the_stock_runs_low() -> None:
    given(stock, RECEIVED, POINT_SET).when(reserve("o1", 6)).then(reserved("o1", 6), RAN_LOW)


def test_it_is_said_once() -> None:
    given(stock, *LOW).when(reserve("o2", 1)).then(reserved("o2", 1))


def test_it_is_said_again_when_goods_were_received_and_are_used_up() -> None:
    again = (reserved("o2", 10), StockRanLow(sku="11", on_hand=4, order_quantity=20))

    given(stock, *LOW, RECEIVED).when(reserve("o2", 10)).then(*again)


def test_what_is_received_says_nothing_itself() -> None:
    given(stock, *LOW).when(ReceiveStock(sku="11", quantity=1)).then(StockReceived(sku="11", quantity=1))


def test_a_reorder_point_above_what_is_on_hand_says_so_at_once() -> None:
    """An empty stock has nothing to reserve: no reservation could ever say it."""
    given(stock).when(SET_POINT).then(POINT_SET, StockRanLow(sku="11", on_hand=0, order_quantity=20))


def test_a_shipment_says_it_when_nobody_has_yet() -> None:
    given_up = GoodsGivenUp(sku="11")
    shipped = StockShipped(sku="11", order_id="o1", quantity=6)

    given(stock, *LOW, given_up).when(ShipStock(sku="11", order_id="o1")).then(shipped, RAN_LOW)


def test_a_changed_reorder_point_does_not_order_twice() -> None:
    changed = SetReorderPoint(sku="11", level=6, quantity=20)

    given(stock, *LOW).when(changed).then(ReorderPointSet(sku="11", level=6, order_quantity=20))


def test_level_0_never_runs_low() -> None:
    never = ReorderPointSet(sku="11", level=0, order_quantity=20)

    given(stock, RECEIVED, never).when(reserve("o1", 10)).then(reserved("o1", 10))


def test_a_release_says_nothing() -> None:
    release = ReleaseStock(sku="11", order_id="o1")
    released = StockReleased(sku="11", order_id="o1", quantity=6)

    given(stock, *LOW, GoodsGivenUp(sku="11")).when(release).then(released)


def test_goods_that_are_ordered_without_the_stock_asking_are_expected() -> None:
    given(stock, RECEIVED, POINT_SET).when(ExpectGoods(sku="11")).then(GoodsExpected(sku="11"))


@pytest.mark.parametrize("history", [(RECEIVED,), LOW], ids=["no reorder point", "expected already"])
def test_expecting_goods_may_add_nothing(history: tuple[StockReceived, ...]) -> None:
    given(stock, *history).when(ExpectGoods(sku="11")).then()


def test_who_expects_goods_does_not_run_low() -> None:
    expecting = (RECEIVED, POINT_SET, GoodsExpected(sku="11"))

    given(stock, *expecting).when(reserve("o1", 6)).then(reserved("o1", 6))


def test_goods_that_will_not_come_are_given_up() -> None:
    given(stock, *LOW).when(GiveUpGoods(sku="11")).then(GoodsGivenUp(sku="11"))


@pytest.mark.parametrize("history", [(), (RECEIVED, POINT_SET), (*LOW, RECEIVED)])
def test_giving_up_what_is_not_expected_adds_nothing(history: tuple[StockReceived, ...]) -> None:
    given(stock, *history).when(GiveUpGoods(sku="11")).then()


def test_after_giving_up_it_is_said_again() -> None:
    more = (reserved("o2", 1), StockRanLow(sku="11", on_hand=3, order_quantity=20))

    given(stock, *LOW, GoodsGivenUp(sku="11")).when(reserve("o2", 1)).then(*more)


def test_a_reorder_point_is_part_of_the_state() -> None:
    given(stock, *LOW).then_state(
        received=10,
        on_hand=4,
        reserved={"o1": 6},
        shipped=0,
        reorder_point={"level": 5, "quantity": 20, "goods_expected": True},
    )


SHIPPED = (RECEIVED, reserved("o1", 6), StockShipped(sku="11", order_id="o1", quantity=6))
RESTOCKED = StockRestocked(sku="11", order_id="o1", quantity=4)
RESTOCK = RestockReturned(sku="11", order_id="o1", quantity=4)
REVOKE = RevokeRestock(sku="11", order_id="o1", quantity=4)
REVOKED = RestockRevoked(sku="11", order_id="o1", quantity=4)


def test_what_a_customer_sends_back_is_restocked() -> None:
    given(stock, *SHIPPED).when(RESTOCK).then(RESTOCKED)


def test_returned_stock_is_on_hand_and_no_longer_shipped() -> None:
    given(stock, *SHIPPED, RESTOCKED).then_state(received=10, on_hand=8, reserved={}, shipped=2)


def test_more_than_was_shipped_does_not_come_back() -> None:
    too_many = RestockReturned(sku="11", order_id="o1", quantity=7)

    rejected = given(stock, *SHIPPED).when(too_many).then_rejected("not-shipped")

    assert rejected.data == {"sku": "11", "requested": 7, "shipped": 6}


def test_a_restock_is_revoked() -> None:
    given(stock, *SHIPPED, RESTOCKED).when(REVOKE).then(REVOKED)


def test_a_revoked_restock_is_shipped_again() -> None:
    given(stock, *SHIPPED, RESTOCKED, REVOKED).then_state(received=10, on_hand=4, reserved={}, shipped=6)


def test_what_is_no_longer_on_hand_cannot_be_revoked() -> None:
    sold = (*SHIPPED, RESTOCKED, reserved("o2", 5))

    given(stock, *sold).when(REVOKE).then_rejected("insufficient-stock")


def test_a_revoked_restock_may_make_the_stock_run_low() -> None:
    low = StockRanLow(sku="11", on_hand=4, order_quantity=20)

    given(stock, *SHIPPED, RESTOCKED, POINT_SET).when(REVOKE).then(REVOKED, low)
