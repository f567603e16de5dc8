"""docs/compose-sagas.md: steps beside each other, children, histories that begin anew."""

from datetime import timedelta

from domain.account import Deposit, OpenAccount
from domain.aggregates import CATALOG
from domain.money import Money
from domain.stock import ReceiveStock
from tests.docs.howto.composing import (
    COLLECT,
    SPLIT_ORDER,
    SUBSCRIPTION,
    THANK,
    Collect,
    SplitOrder,
    Subscription,
    Wanted,
)
from workflows.saga.testing import MemoryService, Outcome

TEA, CUP = Wanted(sku="tea", quantity=2), Wanted(sku="cup", quantity=1)


async def shop(**stock: int) -> MemoryService:
    service = MemoryService(CATALOG, [COLLECT, SPLIT_ORDER, THANK, SUBSCRIPTION])
    received = {"tea": 10, "cup": 10, "cup-b": 10} | {name.replace("_", "-"): n for name, n in stock.items()}
    await service.apply(*(ReceiveStock(sku=sku, quantity=n) for sku, n in received.items() if n))
    await service.apply(
        OpenAccount(account_id="ana", currency="USD"),
        Deposit(account_id="ana", money=Money(amount=250, currency="USD")),
    )
    return service


def steps(outcome: Outcome) -> list[str]:
    return [f"{step.step} {step.name} {step.status}" for step in outcome.saga.steps]


async def test_a_branch_goes_its_own_way() -> None:
    service = await shop(cup=0)

    outcome = await service.run_saga("collect", Collect(order_id="o1", wanted=[TEA, CUP]))

    assert outcome.saga.result == ["tea", "cup-b"]
    assert steps(outcome) == [
        "1.1 ReserveStock succeeded",
        "2.1 ReserveStock rejected",
        "2.2 ReserveStock succeeded",
    ]


async def test_a_branch_that_fails_undoes_the_others() -> None:
    service = await shop(cup=0, cup_b=0)

    outcome = await service.run_saga("collect", Collect(order_id="o1", wanted=[TEA, CUP]))

    assert outcome.saga.status == "compensated"
    assert [undone.model_dump()["sku"] for undone in outcome.compensations] == ["tea"]


def split(amount: int) -> SplitOrder:
    parcels = [Collect(order_id="o1", wanted=[TEA]), Collect(order_id="o2", wanted=[CUP])]
    money = Money(amount=amount, currency="USD")
    return SplitOrder(order_id="o", parcels=parcels, account="ana", money=money)


async def test_children_end_before_their_parent_goes_on() -> None:
    service = await shop()

    outcome = await service.run_saga("split-order", split(100))

    assert outcome.saga.result == [["tea"], ["cup"]]
    assert [step.saga_id for step in outcome.saga.steps[:2]] == ["s1.1", "s1.2"]
    child = (await service.outcome("s1.1")).saga
    assert child.parent is not None
    assert (child.parent.saga_id, child.correlation_id) == ("s1", "s1")
    assert (await service.outcome("thank-o")).saga.status == "completed"


async def test_a_parent_that_is_undone_undoes_its_children_and_leaves_the_detached_one() -> None:
    service = await shop()

    outcome = await service.run_saga("split-order", split(1_000))

    assert outcome.saga.status == "compensated"
    for child in ("s1.1", "s1.2"):
        assert (await service.outcome(child)).saga.status == "compensated"


async def test_a_child_that_is_refused_refuses_its_step() -> None:
    service = await shop(cup=0, cup_b=0)

    outcome = await service.run_saga("split-order", split(100))

    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert outcome.saga.error.code == "child-compensated"


async def test_a_subscription_begins_anew_each_month_with_a_short_history() -> None:
    service = await shop()
    asked = Subscription(customer="ana", price=Money(amount=100, currency="USD"))
    await service.engine.start("subscription", asked, saga_id="s1")

    for _ in range(5):  # wait, then twice: pay and continue, wait again
        await service.run_next()
    view = (await service.outcome()).saga
    assert view.attributes == {"customer": "ana"}
    assert view.input["months"] == 2
    assert [step.step for step in view.steps] == ["1"]
    assert service.now() - view.requested_at >= timedelta(days=60)

    await service.engine.signal("s1", "stop", {}, actor="ana")
    await service.settle()
    assert (await service.outcome()).saga.result == 2
