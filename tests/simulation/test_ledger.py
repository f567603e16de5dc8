"""The simulation's own reading of a journal agrees with the kernel's about children, and sees mistakes."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest

from domain import Catalog, Event
from eventstore import RecordedEvent
from tests.simulation.ledger import Effect, Ledger
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.state import SagaState, fold

CODEC = EventCodec(Catalog([]))
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RUN = journal.RunStarted(run=1, execution="x1.1", executor="x1")
ASKED = journal.CompensationAttempted(step="1", attempt=1)
FAILED = journal.CompensationFailed(step="1", attempt=1, error="no", retry_in_seconds=None)
UNDONE = journal.StepCompensated(step="1")
SKIPPED = journal.StepSkipped(step="1", actor="ana", reason="by hand", run=2)
RETRIED = journal.RetryRequested(actor="ana", reason="again", run=2)
STARTED: tuple[Event, ...] = (
    journal.SagaRequested(name="saga", saga_version=1, input={}),
    RUN,
    journal.ChildStarted(step="1", saga="saga", child="c", input={}, detached=False),
)


def told(status: str) -> journal.ChildEnded:
    return journal.ChildEnded.model_validate({"step": "1", "child": "c", "status": status})


COMPLETED, COMPENSATED, ABANDONED = map(told, ("completed", "compensated", "abandoned"))
ENTRIES = (COMPLETED, COMPENSATED, ABANDONED, RUN, ASKED, FAILED, UNDONE, SKIPPED, RETRIED)
"""Whatever a parent's journal may say of its child. Most orders of them no kernel writes."""


def recorded(entries: Iterable[Event]) -> list[RecordedEvent]:
    events = []
    for version, entry in enumerate((*STARTED, *entries), 1):
        new, at = CODEC.encode(entry, {}), BEGAN + timedelta(seconds=version)
        place = (version, version, "saga-p", version, uuid4())
        events.append(RecordedEvent(*place, new.type, new.schema_version, dict(new.data), {}, at))
    return events


def read(entries: Iterable[Event]) -> tuple[Ledger, SagaState]:
    """Both readings."""
    events, ledger = recorded(entries), Ledger("p")
    state = fold(CODEC, events)
    for event in events:
        ledger.take(event)
    assert state is not None
    return ledger, state


def the_step(*entries: Event) -> Effect:
    ledger, _ = read(entries)
    assert ledger.violations == []
    return ledger.current["1"]


def test_news_is_an_outcome_when_a_run_begins() -> None:
    assert the_step(COMPENSATED).status == "started"
    assert the_step(COMPENSATED, RUN).status == "rejected"
    assert the_step(COMPLETED, RUN).status == "succeeded"


def test_news_that_an_undoing_came_after_is_none() -> None:
    """The undoing was decided on the child as it was after its end: it was undone, and is not refused."""
    undone = the_step(COMPENSATED, UNDONE, RUN)

    assert (undone.status, undone.undone, undone.to_undo) == ("started", True, False)
    assert the_step(COMPENSATED, ASKED, RUN).status == "started"


def test_a_child_that_was_asked_to_undo_itself_and_was_abandoned_may_be_opened_and_undone() -> None:
    step = the_step(ASKED, ABANDONED, RETRIED, COMPENSATED, UNDONE)

    assert step.undone


@pytest.mark.parametrize(
    "entries",
    [(COMPLETED, UNDONE), (ABANDONED, UNDONE), (UNDONE, UNDONE), (UNDONE, ASKED), (UNDONE, SKIPPED)],
    ids=lambda entries: " ".join(type(each).__name__ for each in entries),
)
def test_what_no_kernel_may_write_is_noticed(entries: tuple[Event, ...]) -> None:
    ledger, _ = read(entries)

    assert len(ledger.violations) == 1


@pytest.mark.parametrize("length", [1, 2, 3])
def test_both_readings_agree(length: int) -> None:
    """About everything that can be told of a child, in any order that breaks no rule."""
    agreed = 0
    for entries in product(ENTRIES, repeat=length):
        ledger, state = read(entries)
        if ledger.violations:
            continue
        theirs, ours = state.steps["1"], ledger.current["1"]
        names = [type(entry).__name__ for entry in entries]
        assert (ours.status, ours.undone) == (theirs.status, theirs.undone), names
        assert (ours.news is None) == (theirs.news is None), names
        agreed += 1

    assert agreed > len(ENTRIES) ** length / 3
