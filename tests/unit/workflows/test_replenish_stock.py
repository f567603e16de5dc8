"""The saga replenish-stock on memory: stock that runs low starts it, and it waits for the goods."""

import pytest

from domain import Rejected
from domain.aggregates import CATALOG
from domain.reordering import ExpectGoods, GiveUpGoods, SetReorderPoint
from domain.stock import ReceiveStock, ReserveStock, StockItem, stock
from tests.unit.workflows.supplier import Supplier
from workflows.replenish_stock import DELIVERY_TIME
from workflows.saga.testing import Killed, MemoryService, Outcome, killed_at
from workflows.sagas import SAGAS
from workflows.supplier import CancelGoods, OrderGoods

ORDER = OrderGoods(sku="11", quantity=20)
CANCEL = CancelGoods(sku="11")


async def warehouse(supplier: Supplier) -> MemoryService:
    """Ten of SKU 11, of which five should be on hand."""
    service = MemoryService(CATALOG, SAGAS, supplier.calls())
    await service.apply(ReceiveStock(sku="11", quantity=10), SetReorderPoint(sku="11", level=5, quantity=20))
    return service


async def item(service: MemoryService) -> StockItem:
    events = [CATALOG.event(event.type, event.data) for event in await service.stream("stock-11")]
    state: StockItem = stock.fold(events)  # type: ignore[arg-type]  # the catalog gives Event
    return state


async def run_low(service: MemoryService) -> str:
    """Six are reserved; gives the id of the saga that follows, which waits for goods."""
    await service.apply(ReserveStock(sku="11", order_id="o1", quantity=6))
    await service.deliver()
    (due,) = service.enqueued
    await service.run_next()
    return str(due.request["id"])


async def receive(service: MemoryService, saga_id: str, quantity: int = 20) -> Outcome:
    await service.engine.signal(
        saga_id, "goods-received", {"quantity": quantity}, signal_id="delivery-1", actor="Bo"
    )
    await service.settle()
    return await service.outcome(saga_id)


async def test_stock_that_runs_low_is_ordered_and_taken_in() -> None:
    supplier = Supplier()
    service = await warehouse(supplier)
    saga_id = await run_low(service)
    assert supplier.ordered == {f"{saga_id}/2": 20}
    assert (await service.engine.view(saga_id)).status == "waiting"

    outcome = await receive(service, saga_id, quantity=19)

    assert outcome.saga.status == "completed"
    assert outcome.saga.result == {"sku": "11", "order_number": "PO-1", "ordered": 20, "received": 19}
    assert outcome.commands[:2] == [ExpectGoods(sku="11"), ORDER]
    assert outcome.commands[-1] == ReceiveStock(sku="11", quantity=19)
    replenished = await item(service)
    assert (replenished.received, replenished.on_hand) == (29, 23)


async def test_it_names_the_event_as_its_cause() -> None:
    service = await warehouse(Supplier())
    saga_id = await run_low(service)
    (ran_low,) = [event for event in await service.stream("stock-11") if event.type == "StockRanLow"]

    (requested, *_) = await service.stream(f"saga-{saga_id}")

    assert saga_id == f"replenish-stock-{ran_low.event_id}"
    assert requested.metadata["causation_id"] == str(ran_low.event_id)


async def test_one_saga_is_enough_until_the_goods_are_here() -> None:
    service = await warehouse(Supplier())
    saga_id = await run_low(service)
    await service.apply(ReserveStock(sku="11", order_id="o2", quantity=1))
    await service.deliver()
    assert [due.request["id"] for due in service.enqueued] == [f"{saga_id}/2"]

    await receive(service, saga_id)

    await service.apply(ReserveStock(sku="11", order_id="o3", quantity=20))
    await service.deliver()
    assert len(service.enqueued) == 1


async def test_goods_that_do_not_come_in_time_are_cancelled_and_given_up() -> None:
    supplier = Supplier()
    service = await warehouse(supplier)
    saga_id = await run_low(service)
    asked_at = service.now()

    await service.settle()

    outcome = await service.outcome(saga_id)
    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert outcome.saga.error.code == "goods-late"
    assert outcome.compensations == [CANCEL, GiveUpGoods(sku="11")]
    assert (supplier.ordered, supplier.cancelled) == ({}, {f"{saga_id}/2"})
    assert service.now() - asked_at >= DELIVERY_TIME


async def test_stock_that_was_given_up_asks_again() -> None:
    service = await warehouse(Supplier())
    first = await run_low(service)
    await service.settle()

    await service.apply(ReserveStock(sku="11", order_id="o2", quantity=1))
    await service.deliver()

    (due,) = service.enqueued
    assert due.request["id"] != first


async def test_a_supplier_that_refuses_ends_it() -> None:
    supplier = Supplier()
    supplier.fault = Rejected("sold out", code="sold-out")
    service = await warehouse(supplier)
    saga_id = await run_low(service)

    outcome = await service.outcome(saga_id)

    assert outcome.saga.status == "compensated"
    assert outcome.compensations == [GiveUpGoods(sku="11")]
    assert not (await item(service)).model_dump()["reorder_point"]["goods_expected"]


@pytest.mark.parametrize("append", range(2, 10))
@pytest.mark.parametrize("come", [True, False], ids=["goods come", "goods do not come"])
async def test_a_process_killed_before_any_append_makes_no_difference(append: int, come: bool) -> None:
    supplier = Supplier()
    service = await warehouse(supplier)
    service.store.appends, service.store.before_append = 0, killed_at(append)
    await service.engine.start("replenish-stock", {"sku": "11", "quantity": 20}, saga_id="r1")
    while (await service.engine.view("r1")).status != "waiting":
        await service.run_next()

    if come:
        try:
            await receive(service, "r1")
        except Killed:
            await receive(service, "r1")  # the process of the client died: it asks again
    await service.settle()

    assert service.store.appends > append
    outcome = await service.outcome("r1")
    assert outcome.saga.status == ("completed" if come else "compensated")
    assert (await item(service)).received == (30 if come else 10)
    assert supplier.ordered == ({"r1/2": 20} if come else {})
