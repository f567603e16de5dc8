"""The saga of docs/your-first-saga.md, on memory."""

import pytest

from domain.account import Deposit, HoldPayment, OpenAccount, ReleasePayment
from domain.aggregates import CATALOG
from domain.money import Money
from domain.stock import ReceiveStock, ReleaseStock, ReserveStock
from tests.docs.trip import first_step
from tests.docs.trip.book_trip import AGENCY, APPROVAL_TIME, BOOK_TRIP, BookTrip
from workflows.saga.testing import MemoryService, killed_at

PRICE = Money(amount=90_000, currency="USD")
PLACES = ("flight-12", "hotel-5", "hotel-5:breakfast", "car-7", "car-7:child-seat")
TRIP = BookTrip(
    trip_id="t1", traveller="ana", flight="flight-12", hotel="hotel-5", nights=3, car="car-7", price=PRICE
)
ALL_GIVEN_BACK = [
    ReleasePayment(account_id="ana", order_id="t1"),
    *(ReleaseStock(sku=sku, order_id="t1") for sku in reversed(PLACES)),
]


async def agency() -> MemoryService:
    service = MemoryService(CATALOG, [BOOK_TRIP])
    await service.apply(*(ReceiveStock(sku=sku, quantity=10) for sku in PLACES))
    await service.apply(
        *(OpenAccount(account_id=account, currency="USD") for account in ("ana", AGENCY)),
        Deposit(account_id="ana", money=PRICE),
    )
    return service


async def test_a_trip_is_booked_when_it_is_approved() -> None:
    service = await agency()
    await service.engine.start("book-trip", TRIP, saga_id="s1")

    await service.run_next()
    assert (await service.outcome()).saga.status == "waiting"

    await service.engine.signal("s1", "approval", {"approved": True, "by": "bo"}, actor="bo")
    await service.settle()
    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert outcome.saga.result == {"trip_id": "t1", "approved_by": "bo"}


async def test_without_an_approval_everything_is_given_back_after_two_days() -> None:
    service = await agency()

    outcome = await service.run_saga("book-trip", TRIP)

    assert service.now() - outcome.saga.requested_at >= APPROVAL_TIME
    assert outcome.saga.status == "compensated"
    assert outcome.compensations == ALL_GIVEN_BACK


@pytest.mark.parametrize("sku", PLACES)
async def test_a_place_that_is_not_to_be_had_gives_the_others_back(sku: str) -> None:
    service = await agency()
    service.refuse = lambda command: isinstance(command, ReserveStock) and command.sku == sku

    outcome = await service.run_saga("book-trip", TRIP)

    assert outcome.saga.status == "compensated"
    taken = [command.sku for command in outcome.commands if isinstance(command, ReserveStock)]
    assert {undone.sku for undone in outcome.compensations if isinstance(undone, ReleaseStock)} == set(taken)
    assert not any(isinstance(command, HoldPayment) for command in outcome.commands)


@pytest.mark.parametrize("append", range(2, 9))
async def test_a_process_killed_before_any_append_makes_no_difference(append: int) -> None:
    service = await agency()
    service.store.before_append = killed_at(service.store.appends + append)

    outcome = await service.run_saga("book-trip", TRIP)

    assert outcome.compensations == ALL_GIVEN_BACK


async def test_the_first_step_alone_works() -> None:
    service = MemoryService(CATALOG, [first_step.BOOK_TRIP])
    await service.apply(ReceiveStock(sku="flight-12", quantity=1))

    first = await service.run_saga("book-trip", {"trip_id": "t1", "flight": "flight-12"}, "s1")
    second = await service.run_saga("book-trip", {"trip_id": "t2", "flight": "flight-12"}, "s2")

    assert (first.saga.status, second.saga.status) == ("completed", "compensated")
    assert second.saga.error is not None
    assert second.saga.error.code == "insufficient-stock"
