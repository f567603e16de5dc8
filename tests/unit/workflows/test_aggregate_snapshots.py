"""Aggregates with snapshots: the same states, read from fewer events, whatever becomes of the snapshots."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import Catalog, Command, State, Upcaster
from domain.aggregates import CATALOG
from domain.catalog import AnyDecider
from eventstore import Appended, RecordedEvent
from eventstore.memory import MemoryEventStore
from tests.unit.domain.strategies import COMMANDS
from tests.unit.workflows.toys import TALLIES, Do, Done, Tally
from workflows.saga import Registry
from workflows.saga.check import Check
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Decision, Folded
from workflows.saga.shapes import shape_of

TALLY = TALLIES.decider("tally")


class CountingStore(MemoryEventStore):
    read = 0

    async def read_stream(self, stream: str, **options: Any) -> AsyncIterator[RecordedEvent]:
        async for event in super().read_stream(stream, **options):
            self.read += 1
            yield event


def handler_of(store: MemoryEventStore, decider: AnyDecider) -> CommandHandler:
    return CommandHandler(store, EventCodec(Catalog([decider])))


def with_snapshots(decider: AnyDecider, every: int, **more: Any) -> AnyDecider:
    return replace(decider, snapshot_every=every, **more)


async def send(handler: CommandHandler, *commands: Command) -> None:
    async def commit(decision: Decision) -> Appended:
        if not decision.events:
            raise Nothing
        return await handler.store.append([decision.batch({})])

    for command in commands:
        try:
            await handler.handle(command, commit)
        except Nothing:
            continue


class Nothing(Exception):
    """Refused, or nothing to do."""


async def cold(store: MemoryEventStore, decider: AnyDecider, key: str, to: int | None = None) -> Folded:
    """What a process reads that has just started."""
    return await handler_of(store, decider).fold(decider, decider.stream(key), to=to)


def exactly(folded: Folded) -> tuple[State, str, int, RecordedEvent | None]:
    return folded.state, folded.state.model_dump_json(), folded.version, folded.last


@pytest.mark.slow
@pytest.mark.parametrize("decider", CATALOG.deciders.values(), ids=lambda d: d.category)
@settings(max_examples=50)
@given(data=st.data())
def test_the_state_is_the_same_at_every_version(decider: AnyDecider, data: st.DataObject) -> None:
    commands = data.draw(st.lists(COMMANDS[decider.category], max_size=20))
    every = data.draw(st.integers(1, 4))

    async def compare() -> None:
        store = MemoryEventStore()
        keeping, never = with_snapshots(decider, every), with_snapshots(decider, 0)
        handler = handler_of(store, keeping)
        for command in commands:
            await send(handler, command)
            stream = decider.stream(decider.key(command))
            whole = await handler.fold(never, stream)
            assert exactly(await handler.fold(keeping, stream)) == exactly(whole)
            for version in range(whole.version + 1):
                known = await handler.fold(keeping, stream, to=version)
                assert exactly(known) == exactly(await handler.fold(never, stream, to=version))

    asyncio.run(compare())


async def test_a_process_that_starts_reads_few_events() -> None:
    store, decider = CountingStore(), with_snapshots(TALLY, 10)
    handler = handler_of(store, decider)
    await send(handler, *[Do(tally="a") for _ in range(95)])
    store.read = 0

    folded = await cold(store, decider, "a")

    assert folded.state == Tally(count=95)
    assert store.read == 1 + 5


async def test_a_cold_read_that_was_long_is_the_last_long_one() -> None:
    store = CountingStore()
    await send(handler_of(store, with_snapshots(TALLY, 0)), *[Do(tally="a")] * 50)
    store.read = 0

    for _ in range(2):
        assert (await cold(store, with_snapshots(TALLY, 10), "a")).version == 50

    assert store.read == 50 + 1


async def test_another_state_version_does_not_see_what_the_old_evolve_made() -> None:
    store, old = MemoryEventStore(), with_snapshots(TALLY, 1)
    await send(handler_of(store, old), Do(tally="a"), Do(tally="a"))

    def doubly(tally: Tally, event: Any) -> Tally:
        return Tally(count=tally.count + (2 if isinstance(event, Done) else -2))

    unnoticed = await cold(store, replace(old, evolve=doubly), "a")
    noticed = await cold(store, replace(old, evolve=doubly, state_version=2), "a")

    assert (unnoticed.state, noticed.state) == (Tally(count=2), Tally(count=4))
    assert (await cold(store, old, "a")).state == Tally(count=2)


async def test_a_check_finds_a_state_version_that_was_not_raised() -> None:
    store, old = MemoryEventStore(), with_snapshots(TALLY, 2)
    await send(handler_of(store, old), *[Do(tally="a")] * 5)

    async def findings(decider: AnyDecider) -> list[str]:
        report = await Check(store, EventCodec(Catalog([decider])), Registry([])).run()
        return [finding.detail for finding in report.findings if finding.kind == "snapshot"]

    def doubly(tally: Tally, event: Any) -> Tally:
        return Tally(count=tally.count + (2 if isinstance(event, Done) else -2))

    [finding] = await findings(replace(old, evolve=doubly))

    assert finding.startswith("the snapshot of tally-a at version 4")
    assert "raise the state_version" in finding
    assert await findings(old) == []
    assert await findings(replace(old, evolve=doubly, state_version=2)) == []


def test_a_fingerprint_tells_schemas_and_versions_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tally(State):  # of the same name, with another schema
        count: int = 0
        note: str = ""

    known = shape_of(TALLY).fingerprint

    assert shape_of(replace(TALLY, snapshot_every=7)).fingerprint == known
    assert shape_of(replace(TALLY, initial=Tally())).fingerprint != known
    assert shape_of(replace(TALLY, initial=type(TALLY.initial)(count=1))).fingerprint != known
    assert shape_of(replace(TALLY, state_version=2)).fingerprint != known
    again = Upcaster("Done", 1, {"Done": 2}, lambda data: [("Done", data)])
    assert shape_of(replace(TALLY, upcasters=(again,))).fingerprint != known
    monkeypatch.setattr(Done, "schema_version", 2)
    assert shape_of(TALLY).fingerprint != known


async def test_what_no_state_can_be_made_of_is_passed_over() -> None:
    store, decider = MemoryEventStore(), with_snapshots(TALLY, 5)
    await send(handler_of(store, decider), *[Do(tally="a")] * 3)

    store.snapshots.offer("tally-a", shape_of(decider).fingerprint, lambda: (3, b'{"count": "many"}'))

    assert (await cold(store, decider, "a")).state == Tally(count=3)


async def test_commands_go_on_while_snapshots_are_deleted() -> None:
    store, decider = MemoryEventStore(), with_snapshots(TALLY, 3)

    async def keep_deleting() -> None:
        while True:
            await store.snapshots.discard("tally-a")
            await asyncio.sleep(0)

    deleting = asyncio.create_task(keep_deleting())
    for _ in range(5):
        handlers = [handler_of(store, decider) for _ in range(4)]
        await asyncio.gather(*(send(handler, *[Do(tally="a")] * 5) for handler in handlers))
    deleting.cancel()

    assert (await cold(store, decider, "a")).state == Tally(count=100)
