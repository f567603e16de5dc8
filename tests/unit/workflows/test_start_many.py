"""Sagas started together: one append, all of them or none."""

import asyncio

import pytest
from pydantic import ValidationError

from eventstore import Batch
from tests.unit.workflows.toys import CODEC, Order, do, service_of
from workflows.saga import Saga, journal
from workflows.saga.errors import InvalidBatch, InvalidSagaId, SagaConflict, SagaNotFound
from workflows.saga.runs import SHARED, run_request


async def one_step(saga: Saga, order: Order) -> str:
    await do(saga, order.name)
    return order.name


def orders(*names: str) -> list[tuple[str | None, Order]]:
    """Sagas under the names of their orders."""
    return [(name, Order(name=name)) for name in names]


async def test_all_of_them_are_one_append_and_run() -> None:
    service = service_of(one_step)

    started = await service.engine.start_many("saga", orders("a", "b", "c"), actor="ana")

    assert service.store.appends == 1
    assert [(each.saga.saga_id, each.created) for each in started] == [("a", True), ("b", True), ("c", True)]
    await service.settle()
    assert [(await service.engine.view(name)).result for name in "abc"] == ["a", "b", "c"]
    requested = await service.stream("saga-b")
    assert (requested[0].metadata["actor"], requested[0].metadata["correlation_id"]) == ("ana", "b")


async def test_those_that_exist_are_answered_as_they_are() -> None:
    service = service_of(one_step)
    await service.engine.start_many("saga", orders("a", "b"))
    await service.settle()

    started = await service.engine.start_many("saga", orders("c", "b", "a"))
    again = await service.engine.start_many("saga", orders("a", "b", "c"))

    assert [(each.saga.status, each.created) for each in started] == [
        ("queued", True),
        ("completed", False),
        ("completed", False),
    ]
    assert not any(each.created for each in again)
    assert len(service.enqueued) == 1


async def test_one_whose_id_belongs_to_another_request_refuses_them_all_and_is_named() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(name="other"), saga_id="b")

    with pytest.raises(SagaConflict, match="'b' is taken by a saga saga with another input"):
        await service.engine.start_many("saga", orders("a", "b", "c"))

    for name in "ac":
        with pytest.raises(SagaNotFound):
            await service.engine.view(name)


async def test_a_run_that_is_left_is_in_nobodys_way() -> None:
    service = service_of(one_step)
    entry = CODEC.encode(journal.RunNamed(run=1, reason="left over"), {})
    left = run_request(SHARED, "saga", "b", 1)
    await service.store.append([Batch("saga-other", 0, [entry])], attachment=left)

    await service.engine.start_many("saga", orders("a", "b"))
    await service.settle()

    assert [(await service.engine.view(name)).status for name in ("a", "b")] == ["completed"] * 2


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ([], "1 to 64 sagas, not 0"),
        ([str(number) for number in range(65)], "1 to 64 sagas, not 65"),
        (["a", "b", "a"], "'a' is in the batch twice"),
    ],
)
async def test_a_batch_has_bounds_and_each_id_once(names: list[str], complaint: str) -> None:
    service = service_of(one_step)

    with pytest.raises(InvalidBatch, match=complaint):
        await service.engine.start_many("saga", orders(*names))
    assert service.store.appends == 0


async def test_one_bad_input_or_id_refuses_them_all() -> None:
    service = service_of(one_step)

    with pytest.raises(ValidationError):
        await service.engine.start_many("saga", [("a", Order()), ("b", {"name": 7})])
    with pytest.raises(InvalidSagaId):
        await service.engine.start_many("saga", [("a", Order()), ("b/2", Order())])
    assert service.store.appends == 0


async def test_without_ids_each_is_a_saga_of_its_own() -> None:
    service = service_of(one_step)

    started = await service.engine.start_many("saga", [(None, Order())] * 64)

    assert len({each.saga.saga_id for each in started}) == 64


async def test_batches_that_overlap_start_each_saga_once() -> None:
    service = service_of(one_step)
    start_many = service.engine.start_many

    both = await asyncio.gather(
        start_many("saga", orders("a", "b", "c")), start_many("saga", orders("c", "b", "d"))
    )

    created = [each.saga.saga_id for started in both for each in started if each.created]
    assert sorted(created) == ["a", "b", "c", "d"]
    assert len(service.enqueued) == 4
