"""An append that breaks a rule of its own is refused before it is sent, and stores nothing."""

from collections.abc import Sequence

import pytest

from eventstore import ANY_VERSION, Batch, CommandId, EventStore, InvalidAppend, NewEvent
from tests.integration.eventstore.stores import everything, happened

LONG = "x" * 251


MALFORMED: list[tuple[Sequence[Batch], CommandId | None]] = [
    ([], None),
    ([Batch("x-1", 0)], None),
    ([Batch("x-1", 0, [happened()]), Batch("x-1", 1, [happened()])], None),
    ([Batch("x-1", 0, [happened()]), Batch("x-1", 0)], None),
    ([Batch("x-1", ANY_VERSION, [happened()])], None),
    ([Batch("x-1", ANY_VERSION), Batch("x-2", 0, [happened()])], CommandId("c")),
    ([Batch("x-1", -2, [happened()])], None),
    ([Batch("x-1", 2**31 - 1, [happened()])], None),
    ([Batch("", 0, [happened()])], None),
    ([Batch(LONG, 0, [happened()])], None),
    ([Batch("x\0", 0, [happened()])], None),
    ([Batch("x\ud800", 0, [happened()])], None),
    ([Batch("x-1", 0, [NewEvent("", {})])], None),
    ([Batch("x-1", 0, [NewEvent(LONG, {})])], None),
    ([Batch("x-1", 0, [NewEvent("T", {}, schema_version=-1)])], None),
    ([Batch("x-1", 0, [NewEvent("T", {}, schema_version=2**15)])], None),
    ([Batch("x-1", 0, [happened()])], CommandId("")),
    ([Batch("x-1", 0, [happened()])], CommandId(LONG)),
    ([Batch("x-1", 0, [happened()])], CommandId("c", "\0")),
    ([Batch("x-1", 0, [happened() for _ in range(21)])], None),
    ([Batch("x-1", 0, [happened(text="x" * 10_000)])], None),
    ([Batch("x-1", 0, [happened(text="x" * 5_000), happened(text="x" * 5_000)])], None),
    ([Batch("x-1", 0, [NewEvent("T", {}, {"text": "x" * 10_000})])], None),
    ([Batch("x-1", 0, [happened(text="a\0b")])], None),
    ([Batch("x-1", 0, [happened(nested=[{"a\0b": 1}])])], None),
    ([Batch("x-1", 0, [happened(text="\ud800")])], None),
    ([Batch("x-1", 0, [happened(value=object())])], None),
]


async def test_a_malformed_append_is_refused(store: EventStore, subtests: pytest.Subtests) -> None:
    for number, (batches, command) in enumerate(MALFORMED):
        with subtests.test(number=number), pytest.raises(InvalidAppend):
            await store.append(batches, command=command)

    assert await everything(store.read_all()) == []


async def test_every_other_value_survives(store: EventStore) -> None:
    values = ["\\u0000", "x" * 9_900, 2**63 - 1, -(2**63), 1e300, 0.1, True, None, [[]]]
    for number, value in enumerate(values):
        await store.append([Batch(f"x-{number}", 0, [happened(value=value)])])

    assert [event.data["value"] for event in await everything(store.read_all())] == values
