"""Limits: what may be declared, and that every run of a saga waits in the queue which follows from it."""

from collections.abc import Callable

import pytest

from domain import Rejected
from tests.unit.workflows.toys import AWAY, SLOWLY, TALLIES, Order, Remote, do, failing, request, send
from workflows.saga import Limits, Rate, Registry, Saga, SagaDefinition
from workflows.saga.runs import SHARED, Lane
from workflows.saga.testing import MemoryService


async def patient(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga, SLOWLY)


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (lambda: Limits(concurrency=0), "concurrency must be at least 1, not 0"),
        (lambda: Limits(per_executor=-1), "per_executor must be at least 1, not -1"),
        (lambda: Limits(concurrency=2, per_executor=3), r"per_executor \(3\) exceeds concurrency \(2\)"),
        (lambda: Limits(priority=0), "priority must be 1 to 2147483647, not 0"),
        (lambda: Limits(priority=2**31), "priority must be 1 to 2147483647, not 2147483648"),
        (lambda: Limits(rate=Rate(0, 1)), "count must be at least 1, not 0"),
        (lambda: Limits(rate=Rate(1, 0)), "seconds must be more than 0, not 0"),
        (lambda: Limits(rate=Rate(1, float("nan"))), "seconds must be more than 0, not nan"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: Callable[[], Limits], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        limits()


@pytest.mark.parametrize(
    ("limits", "lane"),
    [
        (Limits(), SHARED),
        (Limits(priority=7), Lane("sagas", 7)),
        (Limits(concurrency=3), Lane("sagas.saga", 100)),
        (Limits(per_executor=1), Lane("sagas.saga", 100)),
        (Limits(rate=Rate(5, 60.0), priority=2), Lane("sagas.saga", 2)),
    ],
)
def test_what_bounds_a_saga_gives_it_a_queue_of_its_own(limits: Limits, lane: Lane) -> None:
    registry = Registry([SagaDefinition("saga", patient, Order, limits=limits)])

    assert registry.lane("saga") == lane


def test_a_saga_that_no_code_defines_any_more_waits_with_the_others() -> None:
    assert Registry([]).lane("retired") == SHARED


async def test_every_run_of_a_saga_waits_in_its_own_queue_with_its_priority() -> None:
    """The first one, one that was parked, one that an operator asked for, one that the reconciler named."""
    remote = Remote()
    remote.before_send = failing(AWAY)
    limited = SagaDefinition("saga", patient, Order, limits=Limits(concurrency=1, priority=5))
    service = MemoryService(TALLIES, [limited], remote.calls())
    await service.engine.start("saga", Order(), saga_id="s1")
    lanes = [lane_of(service)]
    for wake in (lambda: service.engine.name_next_run("s1", 2, "lost"), lambda: request(service)):
        await service.run_next()
        lanes.append(lane_of(service))
        await wake()
        lanes.append(lane_of(service))

    assert lanes == [("sagas.saga", 5)] * 5


async def test_a_child_waits_in_its_own_queue_and_its_parent_in_another() -> None:
    async def child(saga: Saga, _order: Order) -> None:
        await do(saga, "a")

    children = SagaDefinition("child", child, Order, limits=Limits(per_executor=2))

    async def parent(saga: Saga, _order: Order) -> None:
        await saga.start(children, Order())
        raise Rejected("no more", code="no-more")

    sagas = [SagaDefinition("parent", parent, Order, limits=Limits(priority=9)), children]
    service = MemoryService(TALLIES, sagas)
    await service.engine.start("parent", Order(), saga_id="p1")
    lanes = []
    while service.enqueued:
        lanes.append(lane_of(service))
        await service.run_next()

    once = [("sagas", 9), ("sagas.child", 100)]
    assert lanes == [*once, *once, ("sagas", 9)], "there, and back"
    assert (await service.engine.view("p1")).status == "compensated"


def lane_of(service: MemoryService) -> tuple[str, int]:
    """Where the run waits that was enqueued last."""
    newest = max(service.enqueued, key=lambda due: due.number).request
    return newest["queue"], newest["priority"]
