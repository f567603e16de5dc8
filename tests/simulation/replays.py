"""Every journal once more through the code: nothing is asked for that it does not have."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain import Rejected
from eventstore import Appended, Batch, CommandId, RecordedEvent
from eventstore.memory import MemoryEventStore
from tests.simulation.loop import PROCESS, Process
from workflows.saga import CallFailed
from workflows.saga.commands import CommandHandler
from workflows.saga.errors import ContinuedAs, RunSuspended
from workflows.saga.execution import Execution
from workflows.saga.runner import Runner
from workflows.saga.state import SagaState, fold
from workflows.saga.writer import JournalWriter

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule


class Asked(BaseException):
    """The code asked for something that is not in the journal."""


class ReadOnly(MemoryEventStore):
    """The store as it is; whoever appends is told that there is nothing more to replay."""

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        raise Asked(", ".join(event.type for batch in batches for event in batch.events))


def replay_all(schedule: "Schedule") -> None:
    """Call the function of every saga on its journal; a completed one must ask for nothing."""
    store = ReadOnly(now=schedule.world.now)
    store._streams, store._log = schedule.store._streams, schedule.store._log
    process = Process("replay")
    for saga_id in list(schedule.witness.states):
        state = fold(schedule.codec, _forward_part(schedule.store.events(f"saga-{saga_id}")))
        assert state is not None
        schedule.world.note(f"replay of {saga_id}, {state.status}")
        task = schedule.world.spawn(process, _replay(schedule, store, state))
        schedule.world.loop.run_until_idle(10**9)
        if not task.done():
            schedule.world.violated(f"{saga_id}: its replay does not end")
        elif error := task.exception():
            schedule.world.violated(f"{saga_id}: its replay fails: {error!r}")


async def _replay(schedule: "Schedule", store: ReadOnly, state: SagaState) -> None:
    status, result = state.status, state.result
    if status == "completed":  # as it was before its end
        state.status = "running"
    writer = JournalWriter(store, schedule.codec, state, state.named_run, "replay", "replay")
    execution = Execution(
        writer,
        CommandHandler(store, schedule.codec),
        schedule.registry,
        pivoted=state.pivot,
        clock=schedule.world.now,
    )
    runner = Runner(store, execution.handler, schedule.registry, "replay")
    try:
        again = await runner.call_function(execution)
    except (Rejected, CallFailed, RunSuspended, Asked, ContinuedAs) as what:
        if status == "completed":
            raise AssertionError(f"a completed saga ends with {what!r}") from None
    else:
        if status == "completed" and again != result:
            raise AssertionError(f"{again} instead of {result}")
    assert PROCESS.get() is not None
    await asyncio.sleep(0)


def _forward_part(events: list[RecordedEvent]) -> list[RecordedEvent]:
    """The journal up to the point from which the function is not called any more."""
    end: int | None = None
    for place, event in enumerate(events):
        if event.type == "SagaStuck" and event.data["reason"] == "undone-to-step":
            end = None
        elif event.type in ("CompensationRequested", "CompensationStarted", "SagaAbandoned"):
            end = place if end is None else end
    return events[:end]
