"""Why something is so: from an event back to the request that all began with, link by link.

event of an aggregate   the step that caused it: an entry of a journal, in the same append; or a command
entry of a journal      what the saga went on because of: its request, a signal, an operator
request for a saga      the step of its parent, the event that started it, or somebody outside

Each link is older than the one before or in its append, so the chain ends; it is bounded all the same.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Literal
from uuid import UUID

from eventstore import EventStore, RecordedEvent
from eventstore.decisions import CATEGORIES as DECISIONS
from workflows.saga.journal import CATEGORY, journal_stream

LINKS_MAX: Final = 100
APPEND_EVENTS_MAX: Final = 1_000

LinkKind = Literal["event", "entry", "request", "missing", "cut"]

_SAYS: Final = {
    "SagaRequested": "saga {saga} ({name}) was requested",
    "StepSucceeded": "step {step} of saga {saga}: {name}",
    "StepRejected": "step {step} of saga {saga}, {name}, was refused: {reason}",
    "StepCompensated": "step {step} of saga {saga} was undone",
    "CompensationAttempted": "step {step} of saga {saga} was to be undone",
    "ChildStarted": "step {step} of saga {saga} started {saga_of_child} as {child}",
    "ChildEnded": "child {child} of saga {saga} ended {status}",
    "SignalReceived": "signal {signal} ({id}) came for saga {saga}",
    "CompensationRequested": "saga {saga} was asked to be undone: {reason}",
    "RetryRequested": "saga {saga} was asked to try again: {reason}",
    "Resumed": "saga {saga} was asked to go on: {reason}",
    "StepSkipped": "a compensation of saga {saga} (step {step}) was left out: {reason}",
    "SagaCompleted": "saga {saga} completed",
    "SagaCompensated": "saga {saga} was undone",
    "SagaAbandoned": "saga {saga} was abandoned: {reason}",
    "SagaStuck": "saga {saga} was stuck: {error}",
}


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain: an event, or who asked for the one before (`request`).

    `missing` and `cut` say why the chain goes no further.
    """

    kind: LinkKind
    says: str
    actor: str | None = None
    command_id: str | None = None
    saga_id: str | None = None
    step: str | None = None
    correlation_id: str | None = None
    event: RecordedEvent | None = None


@dataclass
class Why:
    """Walks back from one event."""

    store: EventStore
    _met: set[int] = field(default_factory=set)

    async def chain(self, event: RecordedEvent) -> list[Link]:
        """The links from `event` to the outermost request, newest first."""
        links: list[Link] = []
        async for link in self._links(event):
            if len(links) == LINKS_MAX:
                return [*links, Link("cut", f"and more: only {LINKS_MAX} links are shown")]
            links.append(link)
        return links

    async def _links(self, event: RecordedEvent) -> AsyncIterator[Link]:
        current: RecordedEvent | None = event
        while current is not None:
            self._met.add(current.position)
            yield _link(current)
            cause, end = await self._cause(current)
            if end is not None:
                yield end
            current = cause

    async def _cause(self, event: RecordedEvent) -> tuple[RecordedEvent | None, Link | None]:
        """What caused the event, or the link that the chain ends with."""
        acting = event.metadata.get("saga_id")
        if acting is not None and event.stream != journal_stream(acting):
            entry = await self._entry_beside(event, acting)
            if entry is None:
                return None, Link("missing", f"no entry of saga {acting} was recorded together with this")
            return self._older(event, entry)
        cause = event.metadata.get("causation_id")
        if cause is None:
            return None, _request(event)
        found = await self._event(str(cause))
        if found is None:
            return None, Link("missing", f"its cause, event {cause}, is not in this log")
        return self._older(event, found)

    def _older(self, event: RecordedEvent, cause: RecordedEvent) -> tuple[RecordedEvent | None, Link | None]:
        if cause.position in self._met:
            return None, Link("cut", f"position {cause.position} again: the links go in a circle")
        if cause.commit_position > event.commit_position:
            return None, Link("cut", f"its cause, position {cause.position}, is younger than itself")
        return cause, None

    async def _event(self, event_id: str) -> RecordedEvent | None:
        try:
            return await self.store.find(UUID(event_id))
        except ValueError:
            return None

    async def _entry_beside(self, event: RecordedEvent, saga_id: str) -> RecordedEvent | None:
        """The entry of the saga's journal in the append of `event`: that of its step, or the last one."""
        stream, step = journal_stream(saga_id), event.metadata.get("step")
        after = max(0, event.position - APPEND_EVENTS_MAX)
        beside = [
            each
            async for each in self.store.read_all(after, to=event.commit_position)
            if each.stream == stream and each.commit_position == event.commit_position
        ]
        of_step = [each for each in beside if step is not None and each.data.get("step") == step]
        found = of_step or beside
        return found[-1] if found else None


def _link(event: RecordedEvent) -> Link:
    metadata, is_entry = event.metadata, event.stream.startswith(f"{CATEGORY}-")
    saga_id = event.stream.removeprefix(f"{CATEGORY}-") if is_entry else metadata.get("saga_id")
    return Link(
        kind="entry" if is_entry else "event",
        says=_says(event) if is_entry else event.type,
        actor=metadata.get("actor"),
        command_id=metadata.get("command_id"),
        saga_id=saga_id,
        step=event.data.get("step") if is_entry else metadata.get("step"),
        correlation_id=metadata.get("correlation_id"),
        event=event,
    )


def _request(event: RecordedEvent) -> Link:
    """Nothing in the log caused it: somebody outside did."""
    actor, command = event.metadata.get("actor"), event.metadata.get("command_id")
    if actor is None and command is None:
        return Link("missing", "it does not say who asked for it")
    says = f"{actor or 'somebody'} asked for it" + (f", as {command}" if command else "")
    category, _, _ = event.stream.partition("-")
    if category in DECISIONS and (reason := event.data.get("reason") or event.data.get("error")):
        says += f": {reason}"
    return Link("request", says, actor, command, correlation_id=event.metadata.get("correlation_id"))


def _says(entry: RecordedEvent) -> str:
    saga_id = entry.stream.removeprefix(f"{CATEGORY}-")
    words = _SAYS.get(entry.type, entry.type + " of saga {saga}")
    known = {**entry.data, "saga": saga_id, "saga_of_child": entry.data.get("saga")}
    try:
        return words.format_map(known)
    except KeyError:
        return f"{entry.type} of saga {saga_id}"
