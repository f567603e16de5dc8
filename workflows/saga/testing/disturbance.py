"""What a test does to a saga: refuse a step, or kill the process around one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from domain import Catalog, Command, Event, Rejected
from eventstore import Appended, Batch
from workflows.saga import journal
from workflows.saga.commands import CommandHandler, Commit, Decision
from workflows.saga.definition import CallDefinition
from workflows.saga.testing.store import Killed

Reject = type[Command] | int | str | Callable[[Any], bool]
"""A class of commands, the number of a step, the name of a call, or what says it of a command or argument."""

Step = int | str
"""The number of a step of the saga itself; one in a branch is a string, "2.1"."""


class Refuse(BaseException):
    """The step that is about to be recorded shall be refused instead."""


@dataclass
class RefusableHandler(CommandHandler):
    """Decides a command again when its step shall be refused: by then it is among `refused`."""

    refused: list[Command] = field(default_factory=list)

    async def handle(self, command: Command, commit: Commit) -> tuple[Decision, Appended]:
        try:
            return await super().handle(command, commit)
        except Refuse:
            self.refused.append(command)
            return await super().handle(command, commit)


@dataclass
class Disturbance:
    """Refuses the steps that `reject` names, and dies once before or after the outcome of a step is recorded.

    Compensations are never refused, though they be of the same class or name.
    """

    catalog: Catalog
    saga_id: str
    reject: Reject | None = None
    crash_before: Step | None = None
    crash_after: Step | None = None
    _met: set[str] = field(default_factory=set)
    _announced: dict[tuple[str, str], str] = field(default_factory=dict)

    def before(self, batches: Sequence[Batch]) -> None:
        """Raises Refuse, Killed."""
        for saga_id, entry in _entries(batches):
            match entry:
                case journal.StepSucceeded(kind="execute"):
                    command = self.catalog.command(entry.name, entry.command)
                    if self._rejects(saga_id, entry.step, entry.name, command):
                        raise Refuse
                case journal.StepStarted():
                    self._announced[saga_id, entry.step] = entry.name
                case journal.CompensationAttempted():
                    self._announced.pop((saga_id, entry.step), None)
            self._crash("crash_before", saga_id, entry)

    def after(self, batches: Sequence[Batch]) -> None:
        """Raises Killed."""
        for saga_id, entry in _entries(batches):
            self._crash("crash_after", saga_id, entry)

    def call(self, definition: CallDefinition[Any, Any]) -> CallDefinition[Any, Any]:
        """The call, refused where it is a step that shall be."""
        name = definition.call.name

        async def function(argument: BaseModel, key: str) -> BaseModel:
            saga_id, _, rest = key.partition("/")
            step = rest.partition("~")[0]
            is_step = self._announced.get((saga_id, step)) == name
            if is_step and self._rejects(saga_id, step, name, argument):
                raise Rejected(f"{name} is refused", code="refused")
            result: BaseModel = await definition.function(argument, key)
            return result

        return CallDefinition(definition.call, function, definition.resolver)

    def check_met(self) -> None:
        """A test whose disturbance never happened tests nothing."""
        for name in ("reject", "crash_before", "crash_after"):
            asked = getattr(self, name)
            assert asked is None or name in self._met, f"{name}={asked!r} met no step"

    def _rejects(self, saga_id: str, step: str, name: str, value: BaseModel) -> bool:
        match self.reject:
            case None:
                rejects = False
            case type():
                rejects = isinstance(value, self.reject)
            case int() | str():
                rejects = name == self.reject or (saga_id == self.saga_id and step == str(self.reject))
            case predicate:
                rejects = predicate(value)
        if rejects:
            self._met.add("reject")
        return rejects

    def _crash(self, when: str, saga_id: str, entry: Event) -> None:
        step = getattr(self, when)
        if when not in self._met and saga_id == self.saga_id and _outcome_of(entry) == str(step):
            self._met.add(when)
            raise Killed(f"{when}={step!r}")


def _entries(batches: Sequence[Batch]) -> Iterator[tuple[str, Event]]:
    """The journal entries of an append, with the sagas that they are of."""
    for batch in batches:
        category, _, saga_id = batch.stream.partition("-")
        if category == journal.CATEGORY:
            for event in batch.events:
                yield saga_id, journal.entry(event.type, event.data)


def _outcome_of(entry: Event) -> str | None:
    """The step whose outcome the entry is."""
    match entry:
        case journal.StepSucceeded() | journal.StepRejected() | journal.ChildEnded():
            return entry.step
        case journal.StepFailed(retry_in_seconds=None):
            return entry.step
        case journal.ChildStarted(detached=True):
            return entry.step
        case _:
            return None
