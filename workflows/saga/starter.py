"""What hands an event to the engine: the handler of the subscription of a saga that events start."""

from dataclasses import dataclass
from typing import Any

from eventstore import RecordedEvent
from workflows.saga.definition import SagaDefinition
from workflows.saga.engine import SagaEngine
from workflows.saga.errors import SagaConflict
from workflows.saga.journal import CATEGORY
from workflows.saga.on_event import id_from_event


@dataclass(frozen=True)
class Starter:
    """Starts `definition` by the events that it names, each of them once.

    The saga id is made from the event id, so that an event which is delivered again finds its saga.
    """

    engine: SagaEngine
    definition: SagaDefinition

    @property
    def name(self) -> str:
        """Of the subscription; durable."""
        return f"start-{self.definition.name}"

    @property
    def from_start(self) -> bool:
        return self.definition.on is not None and self.definition.on.from_start

    async def __call__(self, recorded: RecordedEvent) -> None:
        """Raises whatever `on.input` raises, pydantic.ValidationError, StoreUnavailable."""
        on, codec = self.definition.on, self.engine.codec
        if on is None or recorded.stream.startswith(f"{CATEGORY}-"):
            return
        if on.types.isdisjoint(codec.names(recorded)):
            return  # not decoded: what is not for this saga cannot be poison to it
        events = [event for event in codec.decode(recorded) if type(event).__name__ in on.types]
        for number, event in enumerate(events, start=1):
            await self._start(on.input(event), recorded, number)

    async def _start(self, saga_input: Any, recorded: RecordedEvent, number: int) -> None:
        saga_id = id_from_event(self.definition.name, recorded.event_id, number)
        try:
            await self.engine.start(
                self.definition.name,
                saga_input,
                saga_id=saga_id,
                correlation_id=recorded.metadata.get("correlation_id"),
                causation_id=str(recorded.event_id),
            )
        except SagaConflict:
            # Started before, by code that made another input of the same event: once is once.
            if (await self.engine.view(saga_id)).name != self.definition.name:
                raise
