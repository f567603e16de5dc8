"""Transfer funds between two accounts: the smallest saga."""

from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from domain import Command
from domain.account import Deposit, Withdraw
from domain.money import Money, PositiveMoney
from domain.values import Id
from workflows.saga import Saga, SagaDefinition


class TransferFunds(Command):
    """Move `money` from the account `source` to the account `target`."""

    source: Id
    target: Id
    money: PositiveMoney

    @field_validator("target")
    @classmethod
    def _is_another_account(cls, target: str, info: ValidationInfo) -> str:
        if target == info.data.get("source"):
            raise ValueError("source and target must be two accounts")
        return target


class FundsTransferred(BaseModel):
    """The money has arrived."""

    model_config = ConfigDict(frozen=True)

    source: Id
    target: Id
    money: Money


async def transfer_funds(saga: Saga, transfer: TransferFunds) -> FundsTransferred:
    """A target that refuses the money gives it back to the source."""
    source, target, money = transfer.source, transfer.target, transfer.money
    await saga.execute(
        Withdraw(account_id=source, money=money, reference=saga.id),
        compensate=Deposit(account_id=source, money=money, reference=saga.id),
    )
    await saga.execute(
        Deposit(account_id=target, money=money, reference=saga.id),
        compensate=Withdraw(account_id=target, money=money, reference=saga.id),
    )
    return FundsTransferred(source=source, target=target, money=money)


TRANSFER_FUNDS: Final = SagaDefinition("transfer-funds", transfer_funds, input=TransferFunds)
