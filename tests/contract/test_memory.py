"""What only the in-memory twin has: a callback in place of the append function of the database."""

from collections.abc import Mapping
from typing import Any

import pytest

from eventstore import AppendRefused, Batch, InvalidAppend, WrongExpectedVersion
from eventstore.memory import MemoryEventStore
from tests.integration.eventstore.stores import everything, happened


async def test_the_callback_gets_the_attachments_of_appends_that_succeed() -> None:
    seen: list[Mapping[str, Any]] = []
    store = MemoryEventStore(on_append=seen.append)
    batches = [Batch("x-1", 0, [happened()])]

    await store.append(batches, attachment={"runs": [1]})
    await store.append(batches, attachment={"runs": [2]})  # a duplicate
    with pytest.raises(WrongExpectedVersion):
        await store.append([Batch("x-1", 0, [happened()])], attachment={"runs": [3]})
    await store.append([Batch("x-2", 0, [happened()])])

    assert seen == [{"runs": [1]}]


async def test_a_refused_attachment_stores_nothing() -> None:
    def refuse(_: Mapping[str, Any]) -> None:
        raise AppendRefused("no")

    store = MemoryEventStore(on_append=refuse)

    with pytest.raises(AppendRefused):
        await store.append([Batch("x-1", 0, [happened()])], attachment={"runs": []})

    assert await everything(store.read_all()) == []


async def test_an_attachment_has_the_same_form_as_for_postgres() -> None:
    with pytest.raises(InvalidAppend):
        await MemoryEventStore().append([Batch("x-1", 0, [happened()])], attachment={"events": []})
