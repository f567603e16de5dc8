"""The test kit: one saga in a world of its own, disturbed as the test wants it."""

from datetime import timedelta
from typing import Any

import pytest

from domain.account import Deposit, HoldPayment, Withdraw
from domain.aggregates import CATALOG
from domain.shipment import DispatchShipment
from domain.stock import ReleaseStock, ReserveStock
from tests.unit.workflows.shop import ORDER, STOCK_UP, Carrier, dollars
from tests.unit.workflows.toys import (
    SEND,
    TALLIES,
    UNSEND,
    Do,
    Message,
    Order,
    Sent,
    Undo,
    do,
    send,
)
from workflows.carrier import BookCarrier, CancelBooking
from workflows.fulfil_order import FULFIL_ORDER, OrderFulfilled
from workflows.saga import Saga, SagaDefinition
from workflows.saga.errors import NotPossible
from workflows.saga.testing import Outcome, Reject, Signal, TestKit
from workflows.transfer_funds import TransferFunds, transfer_funds

DAY = timedelta(days=1)


def sends(_message: Message, key: str) -> Sent:
    return Sent(number=len(key))


async def unsends(_message: Message, _key: str) -> Sent:
    return Sent(number=0)


KIT = TestKit(TALLIES, calls={SEND: sends, UNSEND: unsends})


async def order(**disturbed: Any) -> Outcome:
    kit = TestKit(CATALOG, Carrier().calls())
    return await kit.run_saga(FULFIL_ORDER, ORDER, given=STOCK_UP, **disturbed)


async def test_the_result_is_what_the_function_returned() -> None:
    outcome = await order()

    assert outcome.status == "completed"
    assert outcome.result == OrderFulfilled(order_id="o1", total=dollars(1_300), tracking="T-o1")
    assert len(outcome.commands) == len(outcome.steps) == 11
    assert outcome.compensations == []


@pytest.mark.parametrize("reject", [HoldPayment, 4, "4", lambda value: isinstance(value, HoldPayment)])
async def test_a_step_is_refused_by_its_class_its_number_or_by_what_it_says(reject: Reject) -> None:
    outcome = await order(reject=reject)

    assert outcome.status == "compensated"
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.step) == ("refused", "4")
    assert outcome.compensations[:2] == [
        ReleaseStock(sku="12", order_id="o1"),
        ReleaseStock(sku="11", order_id="o1"),
    ]


@pytest.mark.parametrize("reject", ["book-carrier", 5, lambda value: isinstance(value, BookCarrier)])
async def test_a_call_is_refused_by_its_name_its_number_or_its_argument(reject: Reject) -> None:
    outcome = await order(reject=reject)

    assert outcome.status == "compensated"
    assert "StepRejected" in outcome.entries
    assert CancelBooking(order_id="o1") not in outcome.compensations


async def test_a_step_past_the_pivot_that_is_refused_makes_the_saga_stuck() -> None:
    outcome = await order(reject=DispatchShipment)

    assert outcome.status == "stuck"
    assert outcome.saga.stuck is not None
    assert outcome.saga.stuck.reason == "rejected-after-pivot"


async def test_a_compensation_of_the_same_class_is_not_refused() -> None:
    kit = TestKit(CATALOG)
    transfer = TransferFunds(source="ana", target="shop", money=dollars(5))

    outcome = await kit.run_saga(transfer_funds, transfer, given=STOCK_UP, reject=Deposit)

    assert outcome.commands == [Withdraw(account_id="ana", money=dollars(5), reference="s1")]
    assert outcome.compensations == [Deposit(account_id="ana", money=dollars(5), reference="s1")]


@pytest.mark.parametrize("step", range(1, 12))
@pytest.mark.parametrize("when", ["crash_before", "crash_after"])
async def test_a_crash_at_any_step_makes_no_difference(step: int, when: str) -> None:
    undisturbed = await order()

    outcome = await order(**{when: step})

    assert outcome.commands == undisturbed.commands
    assert outcome.result == undisturbed.result


async def test_a_function_will_do_where_a_definition_says_no_more() -> None:
    async def one_of_each(saga: Saga, _order: Order) -> int:
        await do(saga, "a")
        return (await send(saga)).number

    outcome = await KIT.run_saga(one_of_each, Order())

    assert outcome.saga.name == "one_of_each"
    assert outcome.commands == [Do(tally="a"), Message()]
    assert outcome.result == len("s1/2")


async def waits(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    said = await saga.receive("go", Message, timeout=2 * DAY)
    return said.text if said else "nobody"


@pytest.mark.parametrize("after", [timedelta(), DAY])
async def test_a_signal_is_sent_at_once_or_later(after: timedelta) -> None:
    outcome = await KIT.run_saga(waits, Order(), signals=[Signal("go", Message(text="now"), after)])

    assert outcome.result == "now"
    assert outcome.saga.ended_at is not None
    assert abs(outcome.saga.ended_at - outcome.saga.requested_at - after) < timedelta(seconds=1)


async def test_signals_by_name_are_there_before_the_saga_looks_for_them() -> None:
    outcome = await KIT.run_saga(waits, Order(), signals={"go": Message(text="early")})

    assert outcome.result == "early"
    assert "Parked" not in outcome.entries


async def test_a_signal_that_comes_after_the_end_is_an_error_of_the_test() -> None:
    with pytest.raises(NotPossible, match="completed"):
        await KIT.run_saga(waits, Order(), signals=[Signal("go", Message(), 3 * DAY)])


async def test_children_and_what_they_undid_are_in_the_outcome() -> None:
    async def part(saga: Saga, _order: Order) -> str:
        await do(saga, "part")
        return "done"

    child = SagaDefinition("part", part, Order)

    async def whole(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.start(child, Order())
        await do(saga, "b")

    kit = TestKit(TALLIES, sagas=[child])
    outcome = await kit.run_saga(whole, Order(), reject=3)

    assert outcome.commands == [Do(tally="a"), Do(tally="part")]
    assert outcome.compensations == [Undo(tally="part"), Undo(tally="a")]
    assert [inner.status for inner in outcome.children] == ["compensated"]


@pytest.mark.parametrize("disturbed", [{"reject": ReserveStock}, {"crash_before": 9}, {"crash_after": "1.1"}])
async def test_a_disturbance_that_met_no_step_fails_the_test(disturbed: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="met no step"):
        await KIT.run_saga(waits, Order(), **disturbed)
