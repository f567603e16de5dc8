"""Sagas made of sagas: the snippets of docs/compose-sagas.md."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from domain import Command, Rejected
from domain.account import Deposit, Withdraw
from domain.money import PositiveMoney
from domain.stock import ReleaseStock, ReserveStock
from domain.values import Id, Quantity
from workflows.saga import Saga, SagaDefinition


class Wanted(BaseModel):
    sku: Id
    quantity: Quantity


class Collect(Command):
    order_id: Id
    wanted: list[Wanted]


async def reserve(saga: Saga, order_id: str, wanted: Wanted) -> str:
    await saga.execute(
        ReserveStock(sku=wanted.sku, order_id=order_id, quantity=wanted.quantity),
        compensate=ReleaseStock(sku=wanted.sku, order_id=order_id),
    )
    return wanted.sku


async def reserve_or_substitute(saga: Saga, order_id: str, wanted: Wanted) -> str:
    try:
        return await reserve(saga, order_id, wanted)
    except Rejected:
        other = Wanted(sku=f"{wanted.sku}-b", quantity=wanted.quantity)
        return await reserve(saga, order_id, other)


async def collect(saga: Saga, asked: Collect) -> list[str]:
    return await saga.gather(
        *(saga.branch(reserve_or_substitute, asked.order_id, wanted) for wanted in asked.wanted)
    )


COLLECT: Final = SagaDefinition("collect", collect, input=Collect)


class Thank(Command):
    order_id: Id


class SplitOrder(Command):
    order_id: Id
    parcels: list[Collect]
    account: Id
    money: PositiveMoney


async def split_order(saga: Saga, order: SplitOrder) -> list[list[str]]:
    collected = await saga.gather(*(saga.start(COLLECT, parcel) for parcel in order.parcels))
    await saga.execute(
        Withdraw(account_id=order.account, money=order.money, reference=order.order_id),
        compensate=Deposit(account_id=order.account, money=order.money, reference=order.order_id),
    )
    await saga.start(THANK, Thank(order_id=order.order_id), id=f"thank-{order.order_id}", detached=True)
    return collected


async def thank(saga: Saga, asked: Thank) -> str:
    await saga.sleep(timedelta(days=3))
    return f"thank you for {asked.order_id}"


THANK: Final = SagaDefinition("thank", thank, input=Thank)
SPLIT_ORDER: Final = SagaDefinition("split-order", split_order, input=SplitOrder)


class Subscription(Command):
    customer: Id
    price: PositiveMoney
    months: int = 0


class Stop(BaseModel):
    pass


async def subscription(saga: Saga, asked: Subscription) -> int:
    stop = await saga.receive("stop", Stop, timeout=timedelta(days=30))
    if stop is None:
        await saga.execute(
            Withdraw(account_id=asked.customer, money=asked.price, reference=f"{saga.id}.{asked.months}"),
            compensate=Deposit(account_id=asked.customer, money=asked.price, reference=saga.id),
        )
        saga.pivot()
        saga.continue_as(asked.model_copy(update={"months": asked.months + 1}))
    return asked.months


SUBSCRIPTION: Final = SagaDefinition(
    "subscription",
    subscription,
    input=Subscription,
    signals={"stop": Stop},
    attributes=lambda asked: {"customer": asked.customer},
)
