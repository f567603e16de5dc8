"""What one append changed of a saga and of the aggregates that it touched, and the events that say so."""

from dataclasses import dataclass
from typing import Any, Final

from domain import UnknownName
from eventstore import RecordedEvent
from workflows.differences import FieldChange, differences
from workflows.past import Past
from workflows.saga.journal import CATEGORY
from workflows.saga.state import SagaState, read_state
from workflows.saga.view import view

EVENTS_MAX: Final = 50
"""Of one append, for each stream."""
_ALWAYS_ANOTHER: Final = frozenset({"updated_at", "journal_version", "position", "links"})
"""What differs after every append, whatever it said."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A stream with its events of the append, and what they changed; `more` of them were left out."""

    stream: str
    events: list[RecordedEvent]
    differences: list[FieldChange]
    more: bool


async def changed_at(past: Past, streams: list[str], position: int) -> list[Changed]:
    """The streams of these that the append changed which ends at `position`."""
    found = [await _changed(past, stream, position) for stream in streams]
    return [each for each in found if each is not None]


async def _changed(past: Past, stream: str, position: int) -> Changed | None:
    read = past.store.read_stream(stream, position=position, limit=EVENTS_MAX + 1, backwards=True)
    events = [event async for event in read if event.commit_position == position]
    if not events:
        return None
    more, events = len(events) > EVENTS_MAX, events[:EVENTS_MAX][::-1]
    before = await _document(past, stream, events[0].version - 1)
    after = await _document(past, stream, events[-1].version)
    return Changed(stream, events, list(differences(before, after)), more)


async def _document(past: Past, stream: str, version: int) -> dict[str, Any]:
    """The saga or the aggregate of this stream, at this version; empty before its first event."""
    category, _, key = stream.partition("-")
    if version == 0:
        return {}
    if category == CATEGORY:
        state = await read_state(past.store, past.handler.codec, key, to=version)
        return saga_document(state) if state else {}
    try:
        decider = past.handler.codec.catalog.decider(category)
    except UnknownName:  # of an aggregate that the code does not know any more
        return {}
    folded = await past.handler.fold(decider, stream, to=version)
    return folded.state.model_dump(mode="json")


def saga_document(state: SagaState) -> dict[str, Any]:
    """A saga, to be compared with another one: its steps are found by their numbers."""
    document = view(state).model_dump(mode="json")
    steps = {step["step"]: step for step in document.pop("steps")}
    kept = {name: value for name, value in document.items() if name not in _ALWAYS_ANOTHER}
    return {**kept, "steps": steps}
