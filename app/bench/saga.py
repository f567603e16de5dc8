"""The saga that is measured: five commands, each to an account of its own saga, and what would undo them."""

from typing import Final

from pydantic import BaseModel, ConfigDict

from domain.account import CapturePayment, Deposit, HoldPayment, OpenAccount, Withdraw
from domain.money import Money
from domain.values import Id
from workflows.saga import NOTHING, Saga, SagaDefinition

COMMANDS: Final = 5
CURRENCY: Final = "USD"


class Bench(BaseModel):
    """The account that it opens."""

    model_config = ConfigDict(frozen=True)

    account: Id


async def bench(saga: Saga, asked: Bench) -> None:
    account, money = asked.account, Money(amount=100, currency=CURRENCY)
    await saga.execute(OpenAccount(account_id=account, currency=CURRENCY), compensate=NOTHING)
    await saga.execute(
        Deposit(account_id=account, money=money), compensate=Withdraw(account_id=account, money=money)
    )
    await saga.execute(HoldPayment(account_id=account, order_id=account, money=money), compensate=NOTHING)
    await saga.execute(CapturePayment(account_id=account, order_id=account), compensate=NOTHING)
    await saga.execute(Deposit(account_id=account, money=money), compensate=NOTHING)


BENCH: Final = SagaDefinition("bench", bench, input=Bench)
