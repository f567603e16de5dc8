"""docs/change-a-running-saga.md: old sagas under new code."""

import pytest

from domain.account import Deposit, OpenAccount
from domain.aggregates import CATALOG
from domain.money import Money
from domain.stock import ReceiveStock
from tests.docs.howto.changing import RENT_1, RENT_2, RENT_WRONG, Rent
from workflows.saga import Registry, SagaDefinition, SagaEngine
from workflows.saga.testing import Killed, MemoryService, Outcome

DEPOSIT = Money(amount=100, currency="USD")
RENT = Rent(rent_id="r1", tool="drill", customer="ana", deposit=DEPOSIT)


def deploy(service: MemoryService, *sagas: SagaDefinition) -> None:
    """The next process runs this code."""
    service.registry = Registry(list(sagas))
    service.engine = SagaEngine(service.store, service.registry, service.codec)


async def rented_under(*sagas: SagaDefinition) -> MemoryService:
    """A rent of version 1 whose process ends after the first step; the next process has `sagas`."""
    service = MemoryService(CATALOG, [RENT_1])
    await service.apply(
        ReceiveStock(sku="drill", quantity=5),
        OpenAccount(account_id="ana", currency="USD"),
        Deposit(account_id="ana", money=Money(amount=500, currency="USD")),
    )
    await service.engine.start("rent", RENT, saga_id="s1")
    first_step = service.store.appends + 1

    async def end(number: int) -> None:
        if number == first_step:
            deploy(service, *sagas)
            raise Killed

    service.store.after_append = end
    await service.settle()
    return service


def done(outcome: Outcome) -> list[str]:
    return [type(command).__name__ for command in outcome.commands]


async def test_code_that_asks_for_the_version_fits_old_sagas_and_new_ones() -> None:
    service = await rented_under(RENT_2)
    new = await service.run_saga("rent", RENT.model_copy(update={"rent_id": "r2"}), "s2")

    old = await service.outcome("s1")
    assert (old.saga.version, old.saga.status, done(old)) == (1, "completed", ["ReserveStock", "HoldPayment"])
    assert (new.saga.version, new.saga.status, done(new)) == (2, "completed", ["HoldPayment", "ReserveStock"])


async def test_code_that_does_not_is_stuck_and_goes_on_when_it_is_mended() -> None:
    service = await rented_under(RENT_WRONG)
    stuck = (await service.outcome()).saga.stuck
    assert stuck is not None
    assert (stuck.reason, stuck.step) == ("nondeterminism", "1")
    assert "ReserveStock" in stuck.error
    assert "HoldPayment" in stuck.error

    deploy(service, RENT_2)
    await service.engine.resume("s1", actor="ana", reason="the right code is back")
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.saga.status, done(outcome)) == ("completed", ["ReserveStock", "HoldPayment"])


@pytest.mark.parametrize(("ends", "left"), [("compensated", []), ("abandoned", ["ReserveStock"])])
async def test_a_saga_without_its_definition_is_stuck_and_can_be_closed(ends: str, left: list[str]) -> None:
    service = await rented_under()
    stuck = (await service.outcome()).saga.stuck
    assert stuck is not None
    assert "no saga is called 'rent'" in stuck.error

    close = service.engine.compensate if ends == "compensated" else service.engine.abandon
    await close("s1", actor="ana", reason="we rent no more tools")
    await service.settle()

    view = (await service.outcome()).saga
    assert view.status == ends
    assert [step.name for step in view.left] == left
