"""Return an order, or some of it: record the wish, wait for a person, give the money back, restock."""

from datetime import timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from domain import Command
from domain.account import Deposit, Withdraw
from domain.money import Money
from domain.returns import (
    CancelReturn,
    CloseReturn,
    ExpireReturn,
    RefuseReturn,
    RequestReturn,
    ReturnLines,
    ReturnRequested,
)
from domain.stock import RestockReturned, RevokeRestock
from domain.values import Id, Name, Note
from workflows.fulfil_order import SHOP
from workflows.saga import Saga, SagaDefinition

APPROVAL_TIME: Final = timedelta(days=14)


class ReturnOrder(Command):
    """What the customer sends back, and why."""

    order_id: Id
    customer_id: Id
    lines: ReturnLines
    reason: Name


class ReturnDecision(BaseModel):
    """The signal `approval`: what a person says to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approved: bool
    by: Name
    note: Note = ""


class OrderReturned(BaseModel):
    """What became of the return; `refund` is what the customer got back."""

    model_config = ConfigDict(frozen=True)

    order_id: Id
    outcome: Literal["returned", "refused", "expired"]
    refund: Money | None = None


async def return_order(saga: Saga, asked: ReturnOrder) -> OrderReturned:
    """A return that nobody approves is no error: the saga completes, and says so.

    An approved one moves money and goods. If the shop cannot pay, or anything else is refused, all of it is
    undone and the return is cancelled, so that it can be requested again. There is no pivot: a completed
    return can be undone too.
    """
    order_id, return_id = asked.order_id, saga.id
    cancel = CancelReturn(order_id=order_id, return_id=return_id)
    (requested,) = await saga.execute(
        RequestReturn(
            order_id=order_id,
            return_id=return_id,
            customer_id=asked.customer_id,
            lines=asked.lines,
            reason=asked.reason,
        ),
        compensate=cancel,
    )
    assert isinstance(requested, ReturnRequested)
    decision = await saga.receive("approval", ReturnDecision, timeout=APPROVAL_TIME)
    saga.tag(decision="none" if decision is None else "approved" if decision.approved else "refused")
    if decision is None:
        await saga.execute(ExpireReturn(order_id=order_id, return_id=return_id), compensate=cancel)
        return OrderReturned(order_id=order_id, outcome="expired")
    if not decision.approved:
        refusal = RefuseReturn(order_id=order_id, return_id=return_id, by=decision.by, note=decision.note)
        await saga.execute(refusal, compensate=cancel)
        return OrderReturned(order_id=order_id, outcome="refused")
    await _give_back(saga, asked, requested.refund)
    await saga.execute(
        CloseReturn(order_id=order_id, return_id=return_id, by=decision.by, note=decision.note),
        compensate=cancel,
    )
    return OrderReturned(order_id=order_id, outcome="returned", refund=requested.refund)


async def _give_back(saga: Saga, asked: ReturnOrder, refund: Money) -> None:
    """First what is refused most easily, the shop's money; last what is hardest to get back."""
    if refund.amount:
        await saga.execute(
            Withdraw(account_id=SHOP, money=refund, reference=saga.id),
            compensate=Deposit(account_id=SHOP, money=refund, reference=saga.id),
        )
    await saga.gather(
        *(
            saga.execute(
                RestockReturned(sku=line.sku, order_id=asked.order_id, quantity=line.quantity),
                compensate=RevokeRestock(sku=line.sku, order_id=asked.order_id, quantity=line.quantity),
            )
            for line in asked.lines
        )
    )
    if refund.amount:
        await saga.execute(
            Deposit(account_id=asked.customer_id, money=refund, reference=saga.id),
            compensate=Withdraw(account_id=asked.customer_id, money=refund, reference=saga.id),
        )


RETURN_ORDER: Final = SagaDefinition(
    "return-order", return_order, input=ReturnOrder, signals={"approval": ReturnDecision}
)
