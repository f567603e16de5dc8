"""Durable names: each is defined once, and one that is missing is said so."""

import pytest

from tests.unit.workflows.toys import Order, Remote, do, request, send, service_of
from workflows.saga import Registry, Saga, SagaDefinition
from workflows.saga.errors import UnknownSaga


async def calls_and_breaks(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga)
    raise ZeroDivisionError


def test_two_sagas_or_calls_of_one_name_are_refused() -> None:
    saga = SagaDefinition("saga", calls_and_breaks, Order)

    with pytest.raises(ValueError, match="saga 'saga' is defined twice"):
        Registry([saga, SagaDefinition("saga", calls_and_breaks, Order)])
    with pytest.raises(ValueError, match="call 'send' is defined twice"):
        Registry([saga], [*Remote().calls(), *Remote().calls()])


def test_an_unknown_saga_is_said_so() -> None:
    with pytest.raises(UnknownSaga, match="no saga is called 'sage'"):
        Registry([]).saga("sage")


async def test_a_saga_whose_definition_is_gone_is_stuck_and_can_still_be_undone() -> None:
    remote = Remote()
    service = service_of(calls_and_breaks, remote)
    await service.engine.start("saga", Order(), saga_id="s1")
    service.registry = Registry([], remote.calls())
    await service.settle()
    stuck = await service.outcome()

    await request(service)
    await service.settle()

    assert stuck.saga.stuck is not None
    assert "no saga is called 'saga'" in stuck.saga.stuck.error
    assert (await service.outcome()).saga.status == "compensated"


async def test_a_plan_is_executed_without_the_code_of_the_saga() -> None:
    remote = Remote()
    service = service_of(calls_and_breaks, remote)
    await service.run_saga("saga", Order())
    service.registry = Registry([], remote.calls())

    await request(service)
    await service.settle()

    assert (await service.outcome()).saga.status == "compensated"
    assert remote.requests == ["send s1/2", "unsend s1/2"]


async def test_a_plan_whose_call_is_gone_is_stuck_until_it_is_back() -> None:
    remote = Remote()
    service = service_of(calls_and_breaks, remote)
    await service.run_saga("saga", Order())
    registry, service.registry = service.registry, Registry([])
    await request(service)
    await service.run_next()
    service.registry = registry
    stuck = await service.outcome()

    await request(service)
    await service.settle()

    assert stuck.saga.stuck is not None
    assert "no call is registered as 'unsend'" in stuck.saga.stuck.error
    assert (await service.outcome()).saga.status == "compensated"
