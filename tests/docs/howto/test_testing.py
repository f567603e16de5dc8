"""The snippets of docs/test-a-saga.md."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import pytest

from domain import Catalog, Command
from domain.account import Deposit, OpenAccount, ReleasePayment
from domain.aggregates import CATALOG
from domain.money import Money
from domain.stock import ReceiveStock, ReleaseStock, ReserveStock
from tests.docs.example.plan_meeting import (
    CANCEL_LUNCH,
    ORDER_LUNCH,
    PLAN_MEETING,
    Lunch,
    LunchCancelled,
    LunchOrdered,
)
from tests.docs.example.resource import resource
from tests.docs.example.test_plan_meeting import FREE_ROOM, MEETING
from tests.docs.trip.book_trip import AGENCY, BOOK_TRIP, Approval, BookTrip
from workflows.saga.testing import MemoryService, Signal, TestKit, VirtualTimeLoop

PRICE: Final = Money(amount=90_000, currency="USD")
TRIP: Final = BookTrip(
    trip_id="t1", traveller="ana", flight="flight-12", hotel="hotel-5", nights=3, car="car-7", price=PRICE
)
YES: Final = Approval(approved=True, by="bo")
PLACES: Final = ("flight-12", "hotel-5", "hotel-5:breakfast", "car-7", "car-7:child-seat")
WORLD: Final[list[Command]] = [
    *(ReceiveStock(sku=sku, quantity=10) for sku in PLACES),
    OpenAccount(account_id="ana", currency="USD"),
    OpenAccount(account_id=AGENCY, currency="USD"),
    Deposit(account_id="ana", money=PRICE),
]

run_saga = TestKit(CATALOG).run_saga


async def test_a_trip_that_is_approved_is_booked() -> None:
    outcome = await run_saga(BOOK_TRIP, TRIP, given=WORLD, signals={"approval": YES})

    assert outcome.status == "completed"
    assert outcome.result.approved_by == "bo"
    assert outcome.compensations == []


async def test_an_approval_after_two_days_is_too_late() -> None:
    late = [Signal("approval", YES, after=timedelta(hours=47))]
    outcome = await run_saga(BOOK_TRIP, TRIP, given=WORLD, signals=late)
    assert outcome.status == "completed"

    outcome = await run_saga(BOOK_TRIP, TRIP, given=WORLD)
    assert outcome.status == "compensated"
    assert outcome.compensations[0] == ReleasePayment(account_id="ana", order_id="t1")


@pytest.mark.parametrize("step", ["1", "2.1", "2.2", "3.1", "3.2"])
async def test_a_refused_place_gives_the_others_back(step: str) -> None:
    outcome = await run_saga(BOOK_TRIP, TRIP, given=WORLD, reject=step)

    taken = [command.sku for command in outcome.commands if isinstance(command, ReserveStock)]
    given_back = [command.sku for command in outcome.compensations if isinstance(command, ReleaseStock)]
    assert sorted(given_back) == sorted(taken)
    assert outcome.status == "compensated"


@pytest.mark.parametrize("step", ["1", "2.1", "2.2", "3.1", "3.2", 4, 5])
async def test_a_crash_makes_no_difference(step: int | str) -> None:
    undisturbed = await run_saga(BOOK_TRIP, TRIP, given=WORLD)

    outcome = await run_saga(BOOK_TRIP, TRIP, given=WORLD, crash_before=step)

    assert outcome.compensations == undisturbed.compensations


def order_lunch(_lunch: Lunch, key: str) -> LunchOrdered:
    return LunchOrdered(number=f"lunch {key}")


def cancel_lunch(_lunch: Lunch, _key: str) -> LunchCancelled:
    return LunchCancelled()


MEETINGS: Final = TestKit(
    Catalog([resource]),
    calls={ORDER_LUNCH: order_lunch, CANCEL_LUNCH: cancel_lunch},
)


async def test_a_caterer_that_says_no_costs_us_the_room() -> None:
    outcome = await MEETINGS.run_saga(PLAN_MEETING, MEETING, reject="order-lunch")

    assert outcome.error is not None
    assert outcome.error.step == "2"
    assert outcome.compensations == [FREE_ROOM]


async def test_an_operator_undoes_a_trip_that_waits() -> None:
    service = MemoryService(CATALOG, [BOOK_TRIP])
    await service.apply(*WORLD)
    await service.engine.start("book-trip", TRIP, saga_id="s1")
    await service.run_next()

    await service.engine.compensate("s1", actor="ana", reason="she is ill")
    await service.settle()

    outcome = await service.outcome("s1")
    assert outcome.status == "compensated"
    assert len(outcome.compensations) == 6


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual-time": VirtualTimeLoop}
