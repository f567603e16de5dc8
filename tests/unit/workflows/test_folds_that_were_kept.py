"""A journal that is folded from a snapshot on gives the state that it gives when it is folded whole."""

from dataclasses import fields, is_dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore import RecordedEvent
from tests.simulation.schedule import Schedule
from workflows.saga.codec import EventCodec
from workflows.saga.shapes import journal_shape
from workflows.saga.state import SagaState, fold
from workflows.saga.view import view

SHAPE = journal_shape(SagaState)


def journals_of(seed: int) -> tuple[EventCodec, list[list[RecordedEvent]]]:
    """The journals of a random schedule: every kind of entry, faults and operators included."""
    schedule = Schedule(seed)
    schedule.run()
    journals = [schedule.store.events(f"saga-{saga_id}") for saga_id in schedule.witness.states]
    return schedule.codec, journals


def kept_and_read(state: SagaState | None) -> SagaState:
    assert state is not None
    kept = SHAPE.load(orjson.loads(SHAPE.dump(state)))
    assert kept is not None
    return kept


def exactly(value: Any) -> Any:
    """With the types: 1 is not True, and a list is no tuple."""
    if is_dataclass(value):
        return type(value), {each.name: exactly(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return dict, [(key, exactly(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [exactly(each) for each in value]
    return type(value), value


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_from_every_version_on(seed: int) -> None:
    codec, journals = journals_of(seed)
    for journal in journals:
        whole = fold(codec, journal)
        for version in range(1, len(journal) + 1):
            kept = kept_and_read(fold(codec, journal[:version]))
            assert exactly(kept) == exactly(fold(codec, journal[:version]))

            again = fold(codec, journal[version:], kept)

            assert again is not None
            assert whole is not None
            assert exactly(again) == exactly(whole)
            assert view(again) == view(whole)


def test_the_schedules_have_what_a_fold_must_not_forget() -> None:
    """Or the test above could not fail."""
    types = {event.type for seed in range(40) for journal in journals_of(seed)[1] for event in journal}

    assert {"Continued", "SignalReceived", "ChildEnded", "StepSkipped", "ValueRecorded"} <= types
