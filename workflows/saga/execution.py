"""One execution of a run: what its steps, calls and compensations share."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domain import Command
from eventstore import EventStore, UpcastFailed
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Commit, Contention, Decision
from workflows.saga.definition import Registry
from workflows.saga.errors import NonDeterminismError, Waiting
from workflows.saga.replay import Replay
from workflows.saga.state import SagaState
from workflows.saga.step_state import StepState
from workflows.saga.writer import JournalWriter

T = TypeVar("T")

WAIT_IN_MEMORY_SECONDS_MAX = 1.0
ERROR_CHARS_MAX = 2_000
DATA_CHARS_MAX = 20_000
DATA_DEPTH_MAX = 100
INTEGERS = range(-(2**63), 2**64)
"""Those that our JSON library writes."""


@dataclass
class Execution:
    """The journal of one saga and the means to go on with it.

    `pivoted` is whether the saga or its function has passed the pivot; `visited` are the steps that the
    function has begun, `open` those that it has asked for and that have not ended, `running` those of them
    that have begun. An attempt of a call that another execution left
    behind is touched `margin_seconds` after its deadline, not before. `clock` tells the time to the function.
    `went_on_with` has for each branch that has ended the version of the last outcome that it went on with,
    `refused_behind` the same for what branches have raised.
    """

    writer: JournalWriter
    handler: CommandHandler
    registry: Registry
    margin_seconds: float = 1.0
    pivoted: bool = False
    visited: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    replay: Replay = field(default_factory=Replay)
    went_on_with: dict[str, int] = field(default_factory=dict)
    refused_behind: dict[BaseException, int] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _all_asked_for: bool = False

    @property
    def state(self) -> SagaState:
        return self.writer.state

    @property
    def store(self) -> EventStore:
        return self.writer.store

    @property
    def codec(self) -> EventCodec:
        return self.writer.codec

    def key(self, step: str) -> str:
        """The idempotency key of a call; `/` is in no saga id, so no two calls share one.

        A step that is asked for again, because the saga went back or began anew, has another one: the other
        side may keep a tombstone under the first.
        """
        number = self.round_of(step)
        return f"{self.state.saga_id}/{step}" + (f"~{number}" if number > 1 else "")

    def round_of(self, step: str) -> int:
        """In which of its rounds the saga asked for the step, or asks for it now."""
        known = self.state.steps.get(step)
        return known.round if known else self.state.round

    def outcome_version(self, step: str) -> int | None:
        """As which entry of the journal the outcome of the step is recorded; None when it has none yet."""
        known = self.state.steps.get(step)
        return known.outcome_version if known else None

    def last_outcome(self, number: str) -> int:
        """The version of the last outcome behind this step or branch, now that it has ended; 0: none."""
        return self.outcome_version(number) or self.went_on_with.get(number, 0)

    def metadata(self, step: str, *, undo: bool = False) -> dict[str, Any]:
        """Goes with the domain events of a step, or of its compensation."""
        command_id = self.key(step) + ("/undo" if undo else "")
        return self.writer.metadata(command_id=command_id, saga_id=self.state.saga_id, step=step)

    def recorded(
        self, step: str, kind: journal.StepKind, name: str, asked: dict[str, Any], version: int = 1
    ) -> StepState | None:
        """What the journal knows of the step. Raises NonDeterminismError when it knows another one.

        What was asked in an older schema `version`, or under an older name, is compared as it reads today.
        """
        self.visited.add(step)
        known = self.state.steps.get(step)
        if known is None:
            return None
        recorded = known.name, known.asked
        if known.kind == kind and (known.name, known.asked_version) != (name, version):
            recorded = self._as_today(known, f"{name} {asked}")
        if (known.kind, *recorded) != (kind, name, asked):
            raise NonDeterminismError(step, f"{known.name} {known.asked}", f"{name} {asked}")
        return known

    def _as_today(self, known: StepState, asked: str) -> tuple[str, dict[str, Any]]:
        """The name and the data of what was asked, as the code of today would record them."""
        try:
            match known.kind:
                case "execute":
                    command = self.codec.command(known.name, known.asked, known.asked_version)
                    return type(command).__name__, dump(command)
                case "call":
                    call, argument = self.registry.stored_call(known.name, known.asked, known.asked_version)
                    return call.call.name, dump(argument)
                case _:
                    return known.name, known.asked
        except (LookupError, ValidationError, UpcastFailed) as error:
            recorded = f"{known.name} {known.asked} (version {known.asked_version})"
            raise NonDeterminismError(known.step, recorded, f"{asked}: {describe(error)}") from error

    def check_all_asked_for(self, step: str) -> None:
        """Whether the function has asked for all that is recorded, now that `step` would do something new.

        It came as far as that once. Raises NonDeterminismError, before the step does anything.
        """
        if self._all_asked_for:
            return
        for known in self.state.steps.values():
            if known.step not in self.visited and known.step not in self.open:
                raise NonDeterminismError(known.step, f"{known.name} {known.asked}", f"step {step} before it")
        self._all_asked_for = True

    async def decide(self, command: Command, commit: Commit) -> Decision:
        """Decide `command` on current state and commit the decision. Raises Waiting under contention."""
        try:
            decision, _ = await self.handler.handle(command, commit)
        except Contention as contention:
            raise await self.contended(str(contention)) from contention
        return decision

    async def contended(self, reason: str) -> Waiting:
        """To be raised: contention never undoes an order, the run parks for a moment and tries again."""
        return Waiting(await self.store.now() + timedelta(seconds=2 * WAIT_IN_MEMORY_SECONDS_MAX), reason)

    async def perform(self, name: str, argument: BaseModel, step: str, deadline: float) -> BaseModel:
        """Send a call, unless this process slept through its deadline, a time of the event loop.

        Raises what its function raises.
        """
        if asyncio.get_running_loop().time() >= deadline:
            raise TimeoutError("the deadline passed before the request was sent")
        definition = self.registry.call(name)
        async with asyncio.timeout_at(deadline):
            result: BaseModel = await definition.function(argument, self.key(step))
            return result

    async def until(self, due: datetime, reason: str) -> None:
        """Wait for `due` by the database's clock; a long wait leaves the process (raises Waiting)."""
        wait = (due - await self.store.now()).total_seconds()
        if wait > WAIT_IN_MEMORY_SECONDS_MAX:
            raise Waiting(due, reason)
        if wait > 0:
            await asyncio.sleep(wait)


def fitting(validate: Callable[[Any], T], recorded: Any, step: str, name: str) -> T:
    """What was recorded, as the code of today has it. Raises NonDeterminismError."""
    try:
        return validate(recorded)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))} {each['msg']}" for each in error.errors())
        raise NonDeterminismError(step, f"{name} {recorded}", f"{error.title}: {problems}") from error


def dump(model: BaseModel) -> dict[str, Any]:
    """A command or argument as the journal keeps it. Defaults are left out: adding one is no change."""
    return model.model_dump(mode="json", exclude_defaults=True)


def describe(error: BaseException) -> str:
    """An error in one bounded line."""
    return bounded(f"{type(error).__name__}: {error}")


def bounded(text: str) -> str:
    """Text from anywhere, short enough to be kept, and storable."""
    return storable(text[:ERROR_CHARS_MAX])


def storable(text: str) -> str:
    """Text from anywhere, without what Postgres cannot keep: NUL and lone surrogates are escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def storable_data(data: dict[str, Any]) -> dict[str, Any]:
    """What another system said about its refusal, if it can be kept; else why it is not."""
    try:
        text = json.dumps(data, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        return {"left_out": describe(error)}
    if len(text) > DATA_CHARS_MAX:
        return {"left_out": f"{len(text)} characters"}
    kept: dict[str, Any] = _storable(json.loads(text), DATA_DEPTH_MAX)
    return kept


def _storable(value: Any, levels: int) -> Any:
    match value:
        case str():
            return storable(value)
        case int() if value not in INTEGERS:
            return str(value)
        case list() | dict() if levels == 0:
            return f"left out: deeper than {DATA_DEPTH_MAX} levels"
        case list():
            return [_storable(each, levels - 1) for each in value]
        case dict():
            return {storable(name): _storable(each, levels - 1) for name, each in value.items()}
        case _:
            return value
