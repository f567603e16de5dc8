"""Sagas that wait for people: the snippets of docs/wait-for-approval.md."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from domain import Command, Rejected
from domain.account import Deposit, Withdraw
from domain.money import PositiveMoney
from domain.values import Id, Name
from workflows.saga import Saga, SagaDefinition


class PayOut(Command):
    account: Id
    to: Id
    money: PositiveMoney


class Approval(BaseModel):
    approved: bool
    by: Name


async def pay_out(saga: Saga, asked: PayOut) -> str:
    await saga.execute(
        Withdraw(account_id=asked.account, money=asked.money, reference=saga.id),
        compensate=Deposit(account_id=asked.account, money=asked.money, reference=saga.id),
    )
    approval = await saga.receive("approval", Approval, timeout=timedelta(hours=24))
    if approval is None:
        raise Rejected("nobody decided in a day", code="not-approved")
    if not approval.approved:
        raise Rejected(f"{approval.by} said no", code="not-approved")
    saga.pivot()
    await saga.execute(Deposit(account_id=asked.to, money=asked.money, reference=saga.id))
    return approval.by


PAY_OUT: Final = SagaDefinition("pay-out", pay_out, input=PayOut, signals={"approval": Approval})


async def two_of_three(saga: Saga, _asked: PayOut) -> list[str]:
    agreed: set[str] = set()
    while len(agreed) < 2:
        approval = await saga.receive("approval", Approval)
        if approval.approved:
            agreed.add(approval.by)
    return sorted(agreed)


async def reminded(saga: Saga, asked: PayOut) -> Approval | None:
    for day in range(1, 4):
        approval = await saga.receive("approval", Approval, timeout=timedelta(days=1))
        if approval is not None:
            return approval
        saga.tag(reminder=str(day))
    return None
