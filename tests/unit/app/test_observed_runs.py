"""Who logs in a run, or in a call of it, says where."""

from typing import Any

import structlog
from pydantic import BaseModel

from app.observing.runs import observed, observed_call
from app.observing.tracing import OFF
from domain import Command
from domain.aggregates import CATALOG
from eventstore.memory import MemoryEventStore
from workflows.saga import NOTHING, Call, CallDefinition, Registry, Saga, SagaDefinition, SagaEngine
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.runner import Runner


class Nothing(BaseModel):
    """No argument, and no result."""


class Look(Command):
    """No input."""


LOOK = Call("look", Nothing, Nothing)


async def test_what_is_logged_in_a_run_names_executor_and_step() -> None:
    seen: list[dict[str, Any]] = []

    async def look(_argument: Nothing, _key: str) -> Nothing:
        seen.append(structlog.contextvars.get_contextvars())
        return Nothing()

    async def looking(saga: Saga, _: Look) -> None:
        seen.append(structlog.contextvars.get_contextvars())
        await saga.call(LOOK, Nothing(), compensate=NOTHING)
        seen.append(structlog.contextvars.get_contextvars())

    store, codec = MemoryEventStore(), EventCodec(CATALOG)
    definition = SagaDefinition("looking", looking, input=Look)
    registry = Registry([definition], [observed_call(CallDefinition(LOOK, look), OFF)])
    await SagaEngine(store, registry, codec).start("looking", {}, saga_id="s")

    runner = Runner(store, CommandHandler(store, codec), registry, "executor-7")
    state = await observed(runner, OFF)("s", 1, "execution", None)

    assert state is not None
    assert state.status == "completed"
    assert seen == [{"executor": "executor-7"}, {"executor": "executor-7", "step": "1"}, seen[0]]
