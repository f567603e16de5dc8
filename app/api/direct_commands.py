"""A command sent by a client, not by a saga: decided, appended, and answered alike when it is sent again."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from uuid_utils.compat import uuid7

from app.api.wire import event_documents
from app.problems import VersionMismatch
from app.readmodels.commands import HandledCommand, HandledCommands
from app.runtime import Runtime
from domain import Command
from eventstore import Appended, CommandId, CommandIdReused, EventStore
from workflows.saga.commands import Decision


@dataclass(frozen=True, slots=True)
class Request:
    """Who sends a command, under which id if any, and which version the aggregate must have (None: any);
    `must_exist` says that it must have some."""

    actor: str
    correlation_id: str
    command_id: str | None = None
    expected_version: int | None = None
    must_exist: bool = False

    @property
    def conditional(self) -> bool:
        return self.must_exist or self.expected_version is not None


class NothingToDo(Exception):
    """The decider has nothing to say; leaves the command handler, which would want an append."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"{decision.stream} stays at version {decision.version}")
        self.decision = decision


class AlreadyHandled(Exception):
    """The same request won the race. Leaves the command handler, so that it forgets what it decided."""


async def send_command(runtime: Runtime, command: Command, request: Request) -> dict[str, Any]:
    """Decide the command and append its events; the answer is a CommandAnswer.

    Its personal values are encrypted first, so that nothing else ever sees them.
    The id is looked up before anything is decided: on today's state the same command may well be refused.
    Raises Rejected, VersionMismatch, CommandIdReused, Contention, StoreUnavailable.
    """
    came = command
    [command] = await runtime.privacy.protect([command])
    decider = runtime.codec.catalog.decider_of(command)
    key = decider.key(command)
    stream = decider.stream(key)
    command_id = _command_id(stream, command, request)
    as_it_came = _command_id(stream, came, request)  # so it was recorded when nothing was encrypted
    if command_id and as_it_came and (handled := await _handled(runtime, command_id, as_it_came)):
        return await _answer(runtime.store, handled.stream, handled.first_version, handled.last_version)
    if request.conditional:
        # Also brings the cached state up to date: a stale one must not contradict a client that knows better.
        current = await runtime.handler.load(decider.category, key)
        _check_version(stream, current.version, request)
    try:
        decision, _ = await runtime.handler.handle(command, _commit(runtime.store, command_id, request))
    except NothingToDo as nothing:
        version = nothing.decision.version
        if command_id is not None:
            # The key is used up as well: another command under it, or this one on another day, must not act.
            await HandledCommands(runtime.pool).record_nothing(command_id, stream, version)
            return await send_command(runtime, command, request)
        return await _answer(runtime.store, stream, version + 1, version)
    except AlreadyHandled:
        return await send_command(runtime, command, request)
    return await _answer(runtime.store, stream, decision.version + 1, decision.last_version)


def _command_id(stream: str, command: Command, request: Request) -> CommandId | None:
    if request.command_id is None:
        return None
    body = orjson.dumps(command.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    asked = b"\n".join((stream.encode(), type(command).__name__.encode(), body))
    return CommandId(request.command_id, hashlib.sha256(asked).hexdigest())


async def _handled(runtime: Runtime, command_id: CommandId, as_it_came: CommandId) -> HandledCommand | None:
    handled = await HandledCommands(runtime.pool).find(command_id.command_id)
    if handled is not None and handled.fingerprint not in (command_id.fingerprint, as_it_came.fingerprint):
        raise CommandIdReused(command_id.command_id)
    return handled


def _commit(store: EventStore, command_id: CommandId | None, request: Request) -> Any:
    metadata = {
        "command_id": request.command_id or str(uuid7()),
        "correlation_id": request.correlation_id,
        "actor": request.actor,
    }

    async def commit(decision: Decision) -> Appended:
        _check_version(decision.stream, decision.version, request)
        if decision.rejection is not None:
            raise decision.rejection
        if not decision.events:
            raise NothingToDo(decision)
        appended = await store.append([decision.batch(metadata)], command=command_id)
        if appended.duplicate and command_id is not None:
            raise AlreadyHandled
        return appended

    return commit


def _check_version(stream: str, version: int, request: Request) -> None:
    if request.expected_version not in (None, version) or (request.must_exist and version == 0):
        raise VersionMismatch(stream, version)


async def _answer(store: EventStore, stream: str, first_version: int, last_version: int) -> dict[str, Any]:
    """The events from the first to the last version, none if there are none; the position is the stream's."""
    after = min(first_version, last_version) - 1
    recorded = [event async for event in store.read_stream(stream, after=max(after, 0), to=last_version)]
    return {
        "stream": stream,
        "version": last_version,
        "position": recorded[-1].commit_position if recorded else 0,
        "events": event_documents([event for event in recorded if event.version >= first_version]),
    }
