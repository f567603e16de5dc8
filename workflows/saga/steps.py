"""Steps in our own database: a command whose events and journal entry are one append.

The outcome of such a step is always known, so it is recorded only when it is there, and needs no compensation
when it was rejected.
"""

from collections.abc import Callable
from typing import Any

from domain import Command, Event, Rejected
from eventstore import Appended
from workflows.saga import journal
from workflows.saga.commands import Decision
from workflows.saga.definition import Nothing
from workflows.saga.errors import Halted, SagaMisuse, StepRefused
from workflows.saga.execution import Execution, dump
from workflows.saga.journal import StoredCompensation
from workflows.saga.step_state import StepState
from workflows.saga.writer import Scope

CommandCompensation = Command | Callable[[list[Any]], Command] | Nothing


async def execute(
    execution: Execution, step: str, command: Command, compensate: CommandCompensation, scope: Scope
) -> list[Event]:
    """The new events of the command, decided now or recorded before. Raises Rejected."""
    recorded = execution.recorded(
        step, "execute", type(command).__name__, dump(command), command.schema_version
    )
    if recorded is None:
        return await _decide(execution, step, command, compensate, scope)
    if recorded.rejection is not None:
        raise refused(recorded.rejection)
    return await _events_of(execution, recorded)


async def _decide(
    execution: Execution, step: str, command: Command, compensate: CommandCompensation, scope: Scope
) -> list[Event]:
    async def commit(decision: Decision) -> Appended:
        execution.writer.check_open(scope)
        if decision.rejection is None:
            entry = _succeeded(step, command, compensate, decision)
        elif execution.pivoted:
            raise Halted("rejected-after-pivot", f"{type(command).__name__}: {decision.rejection}", step)
        else:
            entry = _rejected(step, command, decision.stream, decision.rejection)
        batch = decision.batch(execution.metadata(step))
        return await execution.writer.append(entry, batches=[batch], forward=True, scope=scope)

    decision = await execution.decide(command, commit)
    if (no := decision.rejection) is not None:
        raise StepRefused(step, no.reason, no.code, no.data)
    return decision.events


def _succeeded(step: str, command: Command, compensate: CommandCompensation, decision: Decision) -> Event:
    return journal.StepSucceeded(
        step=step,
        name=type(command).__name__,
        kind="execute",
        command=dump(command),
        command_version=command.schema_version,
        stream=decision.stream,
        first_version=decision.version + 1,
        last_version=decision.last_version,
        compensation=_stored(compensate, decision.events),
    )


def _rejected(step: str, command: Command, stream: str, no: Rejected) -> Event:
    return journal.StepRejected(
        step=step,
        name=type(command).__name__,
        kind="execute",
        command=dump(command),
        command_version=command.schema_version,
        stream=stream,
        reason=no.reason,
        code=no.code,
        data=no.data,
    )


def _stored(compensate: CommandCompensation, events: list[Event]) -> StoredCompensation | None:
    if isinstance(compensate, Nothing):
        return None
    command = compensate if isinstance(compensate, Command) else _made(compensate, events)
    return StoredCompensation(
        kind="command",
        name=type(command).__name__,
        data=command.model_dump(mode="json"),
        data_version=command.schema_version,
    )


def _made(compensate: Callable[[list[Any]], Command], events: list[Event]) -> Command:
    try:
        return compensate(events)
    except Rejected as no:  # it would look like a refusal of the step, which has happened
        raise SagaMisuse(f"compensate= must not refuse: {no}") from no


def refused(cause: journal.Cause) -> StepRefused:
    """The recorded rejection, to be raised once more."""
    return StepRefused(cause.step or "", cause.detail, cause.code, cause.data)


async def _events_of(execution: Execution, step: StepState) -> list[Event]:
    if step.stream is None or step.last_version < step.first_version:
        return []
    recorded = execution.store.read_stream(step.stream, after=step.first_version - 1, to=step.last_version)
    return [event async for stored in recorded for event in execution.codec.decode(stored)]
