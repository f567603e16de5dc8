"""Run one saga from its start to its end, in a world of its own, disturbed as the test wants it."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import BaseModel

from domain import Catalog, Command
from workflows.saga.definition import Call, CallDefinition, SagaDefinition
from workflows.saga.testing.disturbance import Disturbance, Reject, Step
from workflows.saga.testing.outcome import Outcome
from workflows.saga.testing.service import MemoryService

SagaFunction = Callable[[Any, Any], Awaitable[Any]]
Fakes = Mapping[Call[Any, Any], Callable[[Any, str], Any]]
"""What each call does instead: `function(argument, key)`, with or without `async`."""


@dataclass(frozen=True)
class Signal:
    """A signal that is sent `after` so much time; at once, it is there before the saga looks for it."""

    name: str
    data: BaseModel
    after: timedelta = timedelta()


@dataclass(frozen=True)
class TestKit:
    """What the sagas of a test need: aggregates, the calls or what stands for them, the sagas they start."""

    __test__: ClassVar = False

    catalog: Catalog
    calls: Iterable[CallDefinition[Any, Any]] | Fakes = ()
    sagas: Sequence[SagaDefinition] = ()

    async def run_saga(
        self,
        saga: SagaDefinition | SagaFunction,
        saga_input: BaseModel,
        *,
        given: Sequence[Command] = (),
        signals: Mapping[str, BaseModel] | Iterable[Signal] = (),
        reject: Reject | None = None,
        crash_before: Step | None = None,
        crash_after: Step | None = None,
    ) -> Outcome:
        """Run `saga` as "s1" until nothing goes on by itself any more, however long its waits are.

        `given` are commands that were carried out before. `reject` refuses steps: a class of commands, the
        number of a step, the name of a call, or a function that says so of a command or of the argument of a
        call. `crash_before` and `crash_after` kill the process once, just before or after the outcome of
        that step is recorded; the next process goes on. Raises AssertionError when they met no step.
        """
        sent = _sent(signals)
        definition = saga if isinstance(saga, SagaDefinition) else _definition(saga, saga_input, sent)
        disturbance = Disturbance(self.catalog, SAGA_ID, reject, crash_before, crash_after)
        calls = [disturbance.call(each) for each in _definitions(self.calls)]
        others = [other for other in self.sagas if other.name != definition.name]
        service = MemoryService(self.catalog, [definition, *others], calls)
        await service.apply(*given)
        service.store.before_batches, service.store.after_batches = disturbance.before, disturbance.after
        await service.engine.start(definition.name, saga_input, saga_id=SAGA_ID)
        began = service.now()
        for signal in sorted(sent, key=lambda each: each.after):
            await service.settle(until=began + signal.after)
            await service.engine.signal(SAGA_ID, signal.name, signal.data, actor="test")
        await service.settle()
        disturbance.check_met()
        return await service.outcome(SAGA_ID)


SAGA_ID = "s1"


def _sent(signals: Mapping[str, BaseModel] | Iterable[Signal]) -> list[Signal]:
    if isinstance(signals, Mapping):
        return [Signal(name, data) for name, data in signals.items()]
    return list(signals)


def _definition(function: SagaFunction, saga_input: BaseModel, sent: Iterable[Signal]) -> SagaDefinition:
    """That of a function which has none yet: it receives the signals that are sent."""
    signals = {signal.name: type(signal.data) for signal in sent}
    return SagaDefinition(function.__name__, function, type(saga_input), signals=signals)


def _definitions(calls: Iterable[CallDefinition[Any, Any]] | Fakes) -> list[CallDefinition[Any, Any]]:
    if isinstance(calls, Mapping):
        return [CallDefinition(call, _awaited(fake)) for call, fake in calls.items()]
    return list(calls)


def _awaited(fake: Callable[[Any, str], Any]) -> Callable[[Any, str], Awaitable[Any]]:
    async def function(argument: BaseModel, key: str) -> Any:
        result = fake(argument, key)
        return await result if inspect.isawaitable(result) else result

    return function
