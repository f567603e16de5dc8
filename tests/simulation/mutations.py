"""Rules of the kernel, broken on purpose: the simulation must notice each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain import Event
from eventstore.snapshots import Dump, MemorySnapshots
from tests.simulation import rows
from workflows.saga import calls, children, compensation, journal, operations, runner
from workflows.saga.errors import Outdated, Superseded
from workflows.saga.execution import Execution
from workflows.saga.replay import Replay
from workflows.saga.runner import Runner
from workflows.saga.shapes import Shape
from workflows.saga.state import SagaState, catch_up
from workflows.saga.step_state import StepState
from workflows.saga.writer import JournalWriter, Scope

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]


def the_fence_is_off(patch: Patch) -> None:
    """An execution goes on though another one has begun."""

    async def only_read(self: JournalWriter) -> None:
        await catch_up(self.store, self.codec, self.state)

    patch.setattr(JournalWriter, "_catch_up", only_read)


def parked_has_no_guard(patch: Patch) -> None:
    append = JournalWriter.append

    async def unguarded(self: JournalWriter, *entries: Event, **more: Any) -> Any:
        if any(isinstance(entry, journal.Parked) for entry in entries):
            more.pop("guard", None)
        return await append(self, *entries, **more)

    patch.setattr(JournalWriter, "append", unguarded)


def a_signal_names_no_run(patch: Patch) -> None:
    patch.setattr(SagaState, "waits_for", lambda self, signal: False)


def the_end_of_a_child_names_no_run(patch: Patch) -> None:
    def told(step: str, state: SagaState, end: Event, run: int | None) -> journal.ChildEnded:
        return real(step, state, end, None)

    real = children._told
    patch.setattr(children, "_told", told)


def a_superseded_run_returns(patch: Patch) -> None:
    run = Runner.run

    async def returning(self: Runner, *arguments: Any) -> None:
        try:
            await run(self, *arguments)
        except Superseded:
            return

    patch.setattr(Runner, "run", returning)


def waits_end_early(patch: Patch) -> None:
    async def at_once(self: Execution, due: datetime, reason: str) -> None:
        return

    patch.setattr(Execution, "until", at_once)


def a_doubt_is_resolved_at_once(patch: Patch) -> None:
    real = calls.resolve_doubt

    async def hasty(execution: Execution, step: StepState, wait: float | None) -> None:
        step.deadline = step.started_at - timedelta(minutes=1)
        await real(execution, step, wait)

    patch.setattr(calls, "resolve_doubt", hasty)


def compensations_run_forwards(patch: Patch) -> None:
    plan = SagaState.plan
    patch.setattr(SagaState, "plan", lambda self, to_step=None: plan(self, to_step)[::-1])


def a_request_does_not_interrupt(patch: Patch) -> None:
    def check_open(self: JournalWriter, scope: Scope) -> None:
        return

    patch.setattr(JournalWriter, "check_open", check_open)


def commands_are_undone_twice(patch: Patch) -> None:
    real = compensation._by_command

    async def twice(*arguments: Any) -> None:
        await real(*arguments)
        await real(*arguments)

    patch.setattr(compensation, "_by_command", twice)


def failed_calls_are_left(patch: Patch) -> None:
    """A saga that got over a failed call completes without undoing it."""

    async def nothing(*_arguments: Any, **_more: Any) -> None:
        return

    patch.setattr(runner, "undo", nothing)


def replays_have_no_order(patch: Patch) -> None:
    async def at_once(self: Replay, *_arguments: Any) -> None:
        return

    patch.setattr(Replay, "turn", at_once)


def a_saga_builds_on_undone_steps(patch: Patch) -> None:
    patch.setattr(operations, "_undone_but_kept", lambda state, to_step: "")


def an_existing_run_is_not_refused(patch: Patch) -> None:
    """DBOS takes an id that exists for a success, and nothing comes of it; numbers are used again."""
    patch.setattr(
        rows.Rows,
        "enqueue",
        lambda self, attachment: None if _known(self, attachment) else real(self, attachment),
    )
    apply = SagaState.apply

    def same_number(self: SagaState, entry: Event, version: int, at: datetime) -> None:
        apply(self, entry, version, at)
        self.named_run = max(1, self.named_run - self.named_run // 3)

    real = rows.Rows.enqueue
    patch.setattr(SagaState, "apply", same_number)


def _known(table: rows.Rows, attachment: Any) -> bool:
    return any(request["id"] in table.rows for request in attachment["runs"])


def a_run_that_is_not_named_goes_on(patch: Patch) -> None:
    def check(self: JournalWriter) -> None:
        if self.state.at_rest:
            raise Outdated(self.state.saga_id)

    patch.setattr(JournalWriter, "_check_fence", check)


def a_snapshot_forgets_the_signals_that_were_taken(patch: Patch) -> None:
    dump = Shape.dump
    patch.setattr(Shape, "dump", lambda self, state: dump(self, replace(state, signal_digests={})))


def a_snapshot_says_more_than_it_holds(patch: Patch) -> None:
    offer = MemorySnapshots.offer

    def one_on(self: MemorySnapshots, stream: str, fingerprint: str, dump: Dump) -> None:
        version, state = dump()
        offer(self, stream, fingerprint, lambda: (version + 1, state))

    patch.setattr(MemorySnapshots, "offer", one_on)


MUTATIONS: list[Mutation] = [
    the_fence_is_off,
    parked_has_no_guard,
    a_signal_names_no_run,
    the_end_of_a_child_names_no_run,
    a_superseded_run_returns,
    waits_end_early,
    a_doubt_is_resolved_at_once,
    compensations_run_forwards,
    a_request_does_not_interrupt,
    commands_are_undone_twice,
    failed_calls_are_left,
    replays_have_no_order,
    a_saga_builds_on_undone_steps,
    an_existing_run_is_not_refused,
    a_run_that_is_not_named_goes_on,
    a_snapshot_forgets_the_signals_that_were_taken,
    a_snapshot_says_more_than_it_holds,
]


@contextmanager
def broken(mutation: Mutation) -> Iterator[None]:
    """The kernel without one of its rules."""
    with pytest.MonkeyPatch.context() as patch:
        mutation(patch)
        yield
