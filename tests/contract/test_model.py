"""A store against a model of it: dictionaries of event ids. Any history gives the same answers."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eventstore import (
    ANY_VERSION,
    Appended,
    Batch,
    CommandId,
    CommandIdReused,
    EventStore,
    InvalidAppend,
    WrongExpectedVersion,
)
from eventstore.memory import MemoryEventStore
from tests.integration.eventstore.stores import everything, happened, open_store

KEYS = ("1", "2", "3")
batches = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([0, 0, 0, -1, 1, 3]), st.integers(0, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda drawn: drawn[0],
)
commands = st.none() | st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "other"]))

_histories = count(1)


class StoreAgainstModel(RuleBasedStateMachine):
    """Histories share a database, so each has streams and commands of its own."""

    def __init__(self, runner: asyncio.Runner, store: EventStore) -> None:
        super().__init__()
        self._runner = runner
        self._store = store
        self._name = f"h{next(_histories)}"
        self._streams: dict[str, list[UUID]] = {f"{self._name}-{key}": [] for key in KEYS}
        self._log: list[UUID] = []
        self._commands: dict[str, tuple[str, int]] = {}
        self._sent: list[tuple[list[Batch], Appended]] = []

    @rule(drawn=batches, command=commands)
    def append(self, drawn: list[tuple[str, int, int]], command: tuple[str, str] | None) -> None:
        sent = [
            Batch(
                f"{self._name}-{key}",
                max(len(self._streams[f"{self._name}-{key}"]) + error, 0),
                [happened() for _ in range(events)],
            )
            for key, error, events in drawn
        ]
        self._append_and_compare(sent, command)

    @rule(key=st.sampled_from(KEYS), command=commands)
    def append_after_whatever_is_there(self, key: str, command: tuple[str, str] | None) -> None:
        self._append_and_compare([Batch(f"{self._name}-{key}", ANY_VERSION, [happened()])], command)

    @precondition(lambda self: self._sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        sent, first = data.draw(st.sampled_from(self._sent))

        again = self._runner.run(self._store.append(sent))

        assert (again.duplicate, again.position, again.recorded_at) == (
            True,
            first.position,
            first.recorded_at,
        )

    @invariant()
    def streams_are_equal(self) -> None:
        for stream, ids in self._streams.items():
            events = self._runner.run(everything(self._store.read_stream(stream)))
            assert [event.event_id for event in events] == ids
            assert [event.version for event in events] == list(range(1, len(ids) + 1))

    @invariant()
    def the_order_of_all_streams_is_equal(self) -> None:
        events = self._runner.run(everything(self._store.read_all(category=self._name)))
        assert [event.event_id for event in events] == self._log

    def _append_and_compare(self, sent: list[Batch], command: tuple[str, str] | None) -> None:
        name = None if command is None else CommandId(f"{self._name}-{command[0]}", command[1])
        expected = self._expected_error(sent, name)
        if expected is not None:
            with pytest.raises(expected):
                self._runner.run(self._store.append(sent, command=name))
            return
        appended = self._runner.run(self._store.append(sent, command=name))
        used = None if name is None else self._commands.get(name.command_id)
        assert appended.duplicate == (used is not None)
        if used is not None:
            assert appended.position == used[1]
            return
        self._record(sent, name, appended)

    def _expected_error(self, sent: list[Batch], command: CommandId | None) -> type[Exception] | None:
        if not any(batch.events for batch in sent):
            return InvalidAppend
        if command is None and any(batch.expected_version == ANY_VERSION for batch in sent):
            return InvalidAppend
        if command is not None and command.command_id in self._commands:
            used, _ = self._commands[command.command_id]
            return None if used == command.fingerprint else CommandIdReused
        for batch in sent:
            if batch.expected_version not in (ANY_VERSION, len(self._streams[batch.stream])):
                return WrongExpectedVersion
        return None

    def _record(self, sent: list[Batch], command: CommandId | None, appended: Appended) -> None:
        for batch in sent:
            ids = [event.event_id for event in batch.events]
            self._streams[batch.stream].extend(ids)
            self._log.extend(ids)
        if command is not None:
            self._commands[command.command_id] = (command.fingerprint, appended.position)
        if all(batch.expected_version != ANY_VERSION for batch in sent):
            self._sent.append((sent, appended))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.slow
def test_any_history_gives_the_answers_of_the_model(store_url: str | None, runner: asyncio.Runner) -> None:
    stack = AsyncExitStack()
    store: EventStore = MemoryEventStore()
    if store_url is not None:
        store = runner.run(stack.enter_async_context(open_store(store_url, page_events=4)))

    run_state_machine_as_test(
        lambda: StoreAgainstModel(runner, store),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=200 if store_url is None else 20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

    runner.run(stack.aclose())
