"""A saga that changes while instances of it run: the snippets of docs/change-a-running-saga.md."""

from typing import Final

from domain import Command
from domain.account import HoldPayment, ReleasePayment
from domain.money import PositiveMoney
from domain.stock import ReleaseStock, ReserveStock
from domain.values import Id
from workflows.saga import Saga, SagaDefinition


class Rent(Command):
    rent_id: Id
    tool: Id
    customer: Id
    deposit: PositiveMoney


async def reserve(saga: Saga, rent: Rent) -> None:
    await saga.execute(
        ReserveStock(sku=rent.tool, order_id=rent.rent_id, quantity=1),
        compensate=ReleaseStock(sku=rent.tool, order_id=rent.rent_id),
    )


async def hold(saga: Saga, rent: Rent) -> None:
    await saga.execute(
        HoldPayment(account_id=rent.customer, order_id=rent.rent_id, money=rent.deposit),
        compensate=ReleasePayment(account_id=rent.customer, order_id=rent.rent_id),
    )


async def rent_first(saga: Saga, rent: Rent) -> None:
    await reserve(saga, rent)
    await hold(saga, rent)


async def rent_reordered(saga: Saga, rent: Rent) -> None:
    await hold(saga, rent)
    await reserve(saga, rent)


async def rent_either_way(saga: Saga, rent: Rent) -> None:
    if saga.version >= 2:
        await hold(saga, rent)
        await reserve(saga, rent)
    else:
        await reserve(saga, rent)
        await hold(saga, rent)


RENT_1: Final = SagaDefinition("rent", rent_first, input=Rent)
RENT_WRONG: Final = SagaDefinition("rent", rent_reordered, input=Rent)
RENT_2: Final = SagaDefinition("rent", rent_either_way, input=Rent, version=2)
