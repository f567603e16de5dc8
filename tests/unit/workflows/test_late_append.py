"""A process died while its append was on its way; it arrives when the next execution has read the journal."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from eventstore import Appended, Batch, CommandId, WrongExpectedVersion
from tests.unit.workflows.toys import Order, SagaFunction, counts, do, service_of
from workflows.saga import Saga
from workflows.saga.testing import HookedStore, Killed


class LateStore(HookedStore):
    """Append `dies_at` kills its sender, and takes effect just before append `arrives_at`."""

    dies_at = arrives_at = 0
    on_its_way: tuple[Sequence[Batch], Mapping[str, Any] | None] | None = None

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        if self.appends + 1 == self.dies_at:
            self.appends += 1
            self.on_its_way = (batches, attachment)
            raise Killed
        if self.appends + 1 == self.arrives_at and self.on_its_way is not None:
            late, self.on_its_way = self.on_its_way, None
            with contextlib.suppress(WrongExpectedVersion):
                await super().append(late[0], attachment=late[1])
        return await super().append(batches, command=command, attachment=attachment)


async def three_steps(saga: Saga, _order: Order) -> None:
    for tally in "abc":
        await do(saga, tally)


async def two_side_by_side(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.gather(do(saga, "b"), do(saga, "c"))


@pytest.mark.parametrize("appends_later", [1, 2, 3])
@pytest.mark.parametrize("dies_at", [2, 3, 4, 5])
@pytest.mark.parametrize("saga", [three_steps, two_side_by_side])
async def test_what_a_dead_process_appended_late_is_not_done_again(
    saga: SagaFunction, dies_at: int, appends_later: int
) -> None:
    service = service_of(saga, store=LateStore)
    service.store.dies_at, service.store.arrives_at = dies_at, dies_at + appends_later

    outcome = await service.run_saga("saga", Order())

    assert await counts(service) == {"a": 1, "b": 1, "c": 1}
    assert outcome.saga.status == "completed"
    assert outcome.entries.count("StepSucceeded") == 3
