"""fulfil-order refused at every step: what was done before is undone, last step first."""

import pytest

from domain import Command, Rejected
from domain.account import CapturePayment, Deposit, HoldPayment, RefundPayment, ReleasePayment
from domain.order import CancelOrder, PlaceOrder
from domain.stock import ReleaseStock, ReserveStock
from tests.unit.workflows.shop import ORDER, Carrier, dollars, stocked_shop
from workflows.carrier import CancelBooking
from workflows.saga import Transient

CANCEL = CancelOrder(order_id="o1")
RELEASE_11 = ReleaseStock(sku="11", order_id="o1")
RELEASE_12 = ReleaseStock(sku="12", order_id="o1")
RELEASE_PAYMENT = ReleasePayment(account_id="ana", order_id="o1")
UNBOOK = CancelBooking(order_id="o1")
REFUND = RefundPayment(account_id="ana", order_id="o1", money=dollars(1300))


def is_step(number: int, command: Command) -> bool:
    match number, command:
        case (1, PlaceOrder()) | (2, ReserveStock(sku="11")) | (3, ReserveStock(sku="12")):
            return True
        case (4, HoldPayment()) | (6, CapturePayment()) | (7, Deposit()):
            return True
    return False


@pytest.mark.parametrize(
    ("step", "compensations"),
    [
        (1, []),
        (2, [CANCEL]),
        (3, [RELEASE_11, CANCEL]),
        (4, [RELEASE_12, RELEASE_11, CANCEL]),
        (6, [UNBOOK, RELEASE_PAYMENT, RELEASE_12, RELEASE_11, CANCEL]),
        (7, [REFUND, UNBOOK, RELEASE_PAYMENT, RELEASE_12, RELEASE_11, CANCEL]),
    ],
)
async def test_a_refused_step_undoes_the_steps_before_it(step: int, compensations: list[Command]) -> None:
    service = await stocked_shop(refuse=lambda command: is_step(step, command))

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.compensations == compensations
    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert (outcome.saga.error.code, outcome.saga.error.step) == ("refused", str(step))
    assert outcome.saga.steps[-1].status == "rejected"


async def test_a_refused_call_undoes_the_steps_before_it_and_is_not_undone_itself() -> None:
    carrier = Carrier()
    carrier.fault = Rejected("not to Spain", code="country", data={"country": "Spain"})
    service = await stocked_shop(carrier)

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.compensations == [RELEASE_PAYMENT, RELEASE_12, RELEASE_11, CANCEL]
    assert carrier.requests == ["book s1/5"]
    assert outcome.saga.error is not None
    assert outcome.saga.error.model_dump() == {
        "code": "country",
        "detail": "not to Spain",
        "step": "5",
        "data": {"country": "Spain"},
    }


async def test_a_call_whose_retries_are_used_up_is_undone_with_the_steps_before_it() -> None:
    carrier = Carrier()
    carrier.fault = Transient("the carrier is away")
    service = await stocked_shop(carrier)

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.compensations == [UNBOOK, RELEASE_PAYMENT, RELEASE_12, RELEASE_11, CANCEL]
    assert carrier.requests == [*["book s1/5"] * 5, "cancel s1/5"]
    assert outcome.saga.error is not None
    assert outcome.saga.error.code == "call-failed"


async def test_the_journal_of_a_refused_saga_tells_everything_once() -> None:
    service = await stocked_shop(refuse=lambda command: is_step(4, command))

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.entries == [
        "SagaRequested",
        "RunStarted",
        *["StepSucceeded"] * 3,
        "StepRejected",
        "CompensationStarted",
        *["StepCompensated"] * 3,
        "SagaCompensated",
    ]


async def test_the_compensated_aggregates_are_as_before() -> None:
    service = await stocked_shop(refuse=lambda command: is_step(7, command))

    await service.run_saga("fulfil-order", ORDER)

    handler = service.process().handler
    stock = (await handler.load("stock", "11")).state
    account = (await handler.load("account", "ana")).state
    assert (stock.on_hand, stock.reserved, stock.shipped) == (10, {}, 0)
    assert (account.balance, account.holds) == (10_000, {})
