"""The saga return-order on memory: a person approves or refuses, or time runs out."""

from typing import Any

import pytest

from domain import Command
from domain.account import Account, Deposit, Withdraw, account
from domain.aggregates import CATALOG
from domain.order import Order, order
from domain.returns import CancelReturn, CloseReturn, ExpireReturn, RefuseReturn, ReturnLine
from domain.stock import ReserveStock, RestockReturned, RevokeRestock, StockItem, stock
from tests.unit.workflows.shop import ORDER, dollars, stocked_shop
from workflows.fulfil_order import SHOP
from workflows.return_order import APPROVAL_TIME, ReturnOrder
from workflows.saga.testing import Killed, MemoryService, Outcome, killed_at

ASKED = ReturnOrder(
    order_id="o1",
    customer_id="ana",
    lines=(ReturnLine(sku="11", quantity=1), ReturnLine(sku="12", quantity=1)),
    reason="too small",
)
REFUND = dollars(800)
CANCEL = CancelReturn(order_id="o1", return_id="r1")


async def delivered(refuse: Any = lambda _: False) -> MemoryService:
    """ORDER was fulfilled; appends are counted from here."""
    service = await stocked_shop()
    await service.run_saga("fulfil-order", ORDER)
    service.refuse = refuse
    service.store.appends = 0
    return service


async def requested(service: MemoryService, asked: ReturnOrder = ASKED) -> None:
    """The saga r1 waits for an approval."""
    await service.engine.start("return-order", asked, saga_id="r1")
    await service.run_next()


async def decide(service: MemoryService, *, approved: bool) -> Outcome:
    decision = {"approved": approved, "by": "Bo", "note": "looks new"}
    await service.engine.signal("r1", "approval", decision, signal_id="decision-1", actor="Bo")
    await service.settle()
    return await service.outcome("r1")


async def state(service: MemoryService, stream: str, decider: Any) -> Any:
    events = [CATALOG.event(event.type, event.data) for event in await service.stream(stream)]
    return decider.fold(events)


async def books(service: MemoryService) -> dict[str, Any]:
    """What must be as before when a return comes to nothing."""
    return {
        stream: (await state(service, stream, decider)).model_dump()
        for stream, decider in (
            ("account-ana", account),
            (f"account-{SHOP}", account),
            ("stock-11", stock),
            ("stock-12", stock),
        )
    }


async def status_of(service: MemoryService) -> str:
    found: Order = await state(service, "order-o1", order)
    return found.returns["r1"].status


async def test_it_waits_for_a_person() -> None:
    service = await delivered()

    await requested(service)

    saga = await service.engine.view("r1")
    assert saga.status == "waiting"
    assert await status_of(service) == "requested"


async def test_an_approved_return_gives_the_money_back_and_restocks() -> None:
    service = await delivered()
    await requested(service)

    outcome = await decide(service, approved=True)

    assert outcome.saga.status == "completed"
    assert outcome.saga.attributes == {"decision": "approved"}
    assert outcome.saga.result == {
        "order_id": "o1",
        "outcome": "returned",
        "refund": {"amount": 800, "currency": "USD"},
    }
    assert [command for command in outcome.commands if not isinstance(command, RestockReturned)][-3:] == [
        Withdraw(account_id=SHOP, money=REFUND, reference="r1"),
        Deposit(account_id="ana", money=REFUND, reference="r1"),
        CloseReturn(order_id="o1", return_id="r1", by="Bo", note="looks new"),
    ]
    ana: Account = await state(service, "account-ana", account)
    shop: Account = await state(service, f"account-{SHOP}", account)
    assert (ana.balance, shop.balance) == (10_000 - 1300 + 800, 1300 - 800)
    eleven: StockItem = await state(service, "stock-11", stock)
    twelve: StockItem = await state(service, "stock-12", stock)
    assert (eleven.on_hand, eleven.shipped) == (9, 1)
    assert (twelve.on_hand, twelve.shipped) == (10, 0)
    assert await status_of(service) == "closed"


async def test_a_refused_return_changes_nothing_and_is_no_error() -> None:
    service = await delivered()
    before = await books(service)
    await requested(service)

    outcome = await decide(service, approved=False)

    assert outcome.saga.status == "completed"
    assert outcome.saga.attributes == {"decision": "refused"}
    assert outcome.saga.result == {"order_id": "o1", "outcome": "refused", "refund": None}
    assert outcome.commands[-1] == RefuseReturn(order_id="o1", return_id="r1", by="Bo", note="looks new")
    assert outcome.compensations == []
    assert await books(service) == before
    assert await status_of(service) == "refused"


async def test_a_return_that_nobody_decides_on_expires() -> None:
    service = await delivered()
    before = await books(service)
    await requested(service)
    asked_at = service.now()

    await service.settle()

    outcome = await service.outcome("r1")
    assert outcome.saga.status == "completed"
    assert outcome.saga.result == {"order_id": "o1", "outcome": "expired", "refund": None}
    assert outcome.commands[-1] == ExpireReturn(order_id="o1", return_id="r1")
    assert service.now() - asked_at >= APPROVAL_TIME
    assert await books(service) == before


async def test_what_was_refused_can_be_asked_for_again() -> None:
    service = await delivered()
    await requested(service)
    await decide(service, approved=False)

    await service.engine.start("return-order", ASKED, saga_id="r2")
    await service.run_next()

    assert (await service.engine.view("r2")).status == "waiting"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"order_id": "o2"}, "order-not-completed"),
        ({"customer_id": "ben"}, "other-customer"),
        ({"lines": (ReturnLine(sku="11", quantity=3),)}, "not-returnable"),
    ],
)
async def test_a_return_that_cannot_be_never_reaches_a_person(changed: dict[str, Any], code: str) -> None:
    service = await delivered()

    await requested(service, ASKED.model_copy(update=changed))

    saga = await service.engine.view("r1")
    assert (saga.status, saga.error and saga.error.code) == ("compensated", code)


RESTOCK_11 = RestockReturned(sku="11", order_id="o1", quantity=1)
RESTOCK_12 = RestockReturned(sku="12", order_id="o1", quantity=1)
REVOKE_11 = RevokeRestock(sku="11", order_id="o1", quantity=1)
REVOKE_12 = RevokeRestock(sku="12", order_id="o1", quantity=1)
SHOP_BACK = Deposit(account_id=SHOP, money=REFUND, reference="r1")
ANA_BACK = Withdraw(account_id="ana", money=REFUND, reference="r1")


@pytest.mark.parametrize(
    ("refused", "undone"),
    [
        (Withdraw(account_id=SHOP, money=REFUND, reference="r1"), [CANCEL]),
        (RESTOCK_11, [SHOP_BACK, CANCEL]),
        (RESTOCK_12, [REVOKE_11, SHOP_BACK, CANCEL]),
        (Deposit(account_id="ana", money=REFUND, reference="r1"), [REVOKE_12, REVOKE_11, SHOP_BACK, CANCEL]),
        (
            CloseReturn(order_id="o1", return_id="r1", by="Bo", note="looks new"),
            [ANA_BACK, REVOKE_12, REVOKE_11, SHOP_BACK, CANCEL],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_approved_return_that_is_refused_on_its_way_is_undone(
    refused: Command, undone: list[Command]
) -> None:
    service = await delivered(lambda command: command == refused)
    before = await books(service)
    await requested(service)

    outcome = await decide(service, approved=True)

    assert outcome.saga.status == "compensated"
    assert outcome.compensations == undone
    assert await books(service) == before
    assert await status_of(service) == "cancelled"


async def test_a_shop_without_money_keeps_the_return_open_to_another_try() -> None:
    service = await delivered()
    await service.apply(Withdraw(account_id=SHOP, money=dollars(1300)))
    await requested(service)

    outcome = await decide(service, approved=True)

    assert outcome.saga.error is not None
    assert outcome.saga.error.code == "insufficient-funds"
    assert await status_of(service) == "cancelled"


async def test_a_completed_return_can_be_undone() -> None:
    service = await delivered()
    before = await books(service)
    await requested(service)
    await decide(service, approved=True)

    await service.engine.compensate("r1", actor="Bo", reason="the parcel was empty")
    await service.settle()

    assert (await service.outcome("r1")).saga.status == "compensated"
    assert await books(service) == before
    assert await status_of(service) == "cancelled"


async def test_an_undone_return_whose_goods_are_sold_again_is_stuck() -> None:
    service = await delivered()
    await requested(service)
    await decide(service, approved=True)
    await service.apply(ReserveStock(sku="12", order_id="o9", quantity=10))

    await service.engine.compensate("r1", actor="Bo", reason="the parcel was empty")
    await service.settle()

    saga = await service.engine.view("r1")
    assert saga.stuck is not None
    assert saga.stuck.reason == "compensation-failed"


@pytest.mark.parametrize(
    ("approved", "append"),
    [*((True, append) for append in range(2, 12)), *((False, append) for append in range(2, 8))],
)
async def test_a_process_killed_before_any_append_makes_no_difference(append: int, approved: bool) -> None:
    expected = await delivered()
    await requested(expected)
    await decide(expected, approved=approved)
    service = await delivered()
    service.store.before_append = killed_at(append)

    await requested(service)
    try:
        await decide(service, approved=approved)
    except Killed:
        await decide(service, approved=approved)  # the process of the client died: it asks again

    assert service.store.appends > append
    assert await books(service) == await books(expected)
    assert (await service.engine.view("r1")).result == (await expected.engine.view("r1")).result
