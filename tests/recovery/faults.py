"""What goes wrong in a server, installed in its process before it starts."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Literal

import httpx
import psycopg

from app import runtime, server
from app.executors import Reconciler, lease, reconciler, retention, supervisor
from app.readmodels.sagas import SagaProjection
from eventstore import Appended, Batch
from eventstore.postgres import PostgresEventStore
from eventstore.side_runners import SideRunners
from tests.recovery.sagas import MORE_CALLS, MORE_SAGAS, ticking
from workflows.carrier import Carrier
from workflows.saga import Limits, Retry, Saga, SagaEngine, Started
from workflows.saga.context import Step
from workflows.saga.dbos_runs import DbosRuns
from workflows.saga.journal import journal_stream
from workflows.saga.runner import Runner
from workflows.sagas import SAGAS

When = Literal["before", "after"]


def die() -> None:
    """What `kill -9` does, at a place of our choice."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class DieAtAppend:
    """Dies just before the n-th append to the journal of one saga is sent, or just after it was committed."""

    saga_id: str
    number: int
    when: When

    def __call__(self) -> None:
        append, stream, numbers = PostgresEventStore.append, journal_stream(self.saga_id), count(1)

        async def dying(store: PostgresEventStore, batches: Sequence[Batch], **options: Any) -> Appended:
            ours = any(batch.stream == stream for batch in batches)
            if ours and self.when == "before" and next(numbers) == self.number:
                die()
            appended = await append(store, batches, **options)
            if ours and self.when == "after" and next(numbers) == self.number:  # a lost race is no append
                die()
            return appended

        PostgresEventStore.append = dying  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class SlowAppends:
    """Appends take their time, as over a slow network: another execution can come first."""

    seconds_max: float = 0.04

    def __call__(self) -> None:
        append = PostgresEventStore.append

        async def slow(store: PostgresEventStore, batches: Sequence[Batch], **options: Any) -> Appended:
            await asyncio.sleep(random.uniform(0, self.seconds_max))
            return await append(store, batches, **options)

        PostgresEventStore.append = slow  # type: ignore[method-assign, assignment]


def freeze() -> None:
    """As a process that is swapped out or a machine that is suspended, until somebody sends SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


def freeze_when_a_call_is_announced() -> None:
    """Freezes between the append of a StepStarted and the request."""
    append = PostgresEventStore.append

    async def freezing(store: PostgresEventStore, batches: Sequence[Batch], **options: Any) -> Appended:
        appended = await append(store, batches, **options)
        if any(event.type == "StepStarted" for batch in batches for event in batch.events):
            freeze()
        return appended

    PostgresEventStore.append = freezing  # type: ignore[method-assign, assignment]


def freeze_when_a_booking_is_sent() -> None:
    """Freezes when the request has left the saga: it cannot be called back."""
    request = Carrier._request

    async def freezing(carrier: Carrier, method: str, key: str, **content: Any) -> httpx.Response:
        if method == "PUT":
            freeze()
        return await asyncio.shield(request(carrier, method, key, **content))

    Carrier._request = freezing  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class DieInProjection:
    """Dies in the n-th transaction of the list of sagas: its checkpoint is moved, its rows may be written."""

    number: int
    when: When

    def __call__(self) -> None:
        apply, numbers = SagaProjection.apply, count(1)

        async def dying(projection: SagaProjection, *arguments: Any) -> None:
            doomed = next(numbers) == self.number
            if doomed and self.when == "before":
                die()
            await apply(projection, *arguments)
            if doomed:
                die()

        SagaProjection.apply = dying  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class DieWhenAnEventHasStarted:
    """Dies when the saga that an event starts is durable, before the checkpoint has moved past the event."""

    saga: str

    def __call__(self) -> None:
        start = SagaEngine.start

        async def dying(engine: SagaEngine, name: str, *arguments: Any, **options: Any) -> Started:
            started = await start(engine, name, *arguments, **options)
            if name == self.saga:
                die()
            return started

        SagaEngine.start = dying  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class NeverReady:
    """Starts for ever: it has its lease, and DBOS does not come up."""

    def __call__(self) -> None:
        async def launch(_runs: DbosRuns) -> None:
            await asyncio.Event().wait()

        DbosRuns.launch = launch  # type: ignore[method-assign]


class EndCutShort:
    """What is closed last is cancelled, as by a second signal."""

    def __call__(self) -> None:
        async def close(_runners: SideRunners) -> None:
            raise asyncio.CancelledError

        SideRunners.close = close  # type: ignore[method-assign]


@dataclass(frozen=True)
class ShortCalls:
    """Attempts of calls have less time than usual, so that one in doubt is resolved soon.

    And there are more of them: on a busy machine five may pass before the carrier answers in so short a time,
    and the order would be compensated.
    """

    seconds: float = 2.0
    margin_seconds: float = 0.2
    attempts: int = 50

    def __call__(self) -> None:
        call, timeout, retry = Saga.call, timedelta(seconds=self.seconds), Retry(self.attempts)

        def short(saga: Saga, *arguments: Any, **options: Any) -> Step[Any]:
            return call(saga, *arguments, **{"timeout": timeout, "retry": retry, **options})

        Saga.call = short  # type: ignore[method-assign, assignment]
        runtime.Runner = partial(Runner, margin_seconds=self.margin_seconds)  # type: ignore[attr-defined, assignment]


def short_patience() -> None:
    """A server that ends soon cuts what does not come to its end."""
    runtime.STOP_SECONDS = server.STOP_SECONDS_MAX = 1  # type: ignore[misc]


def eager_retention() -> None:
    """Rows that are due are deleted soon, three at a time."""
    retention.SCAN_SECONDS = 0.1  # type: ignore[misc]
    retention.CHUNK_ROWS = 3  # type: ignore[misc]


@dataclass(frozen=True)
class EagerScans:
    """What looks after lost runs looks often, and soon thinks that a run is lost."""

    age_seconds: float = 1.0
    scan_seconds: float = 0.2

    def __call__(self) -> None:
        supervisor.ORPHAN_SCAN_SECONDS = self.scan_seconds  # type: ignore[misc]
        supervisor.ORPHAN_AGE_SECONDS = self.age_seconds  # type: ignore[misc]
        reconciler.SCAN_SECONDS = self.scan_seconds  # type: ignore[misc]
        age = timedelta(seconds=self.age_seconds)
        runtime.Reconciler = partial(Reconciler, age=age)  # type: ignore[attr-defined, assignment]


@dataclass(frozen=True)
class ShortLease:
    """The server ends the lease of an executor that does not answer sooner than after ten seconds."""

    seconds: int = 2

    def __call__(self) -> None:
        lease.PING_SECONDS = self.seconds / 4  # type: ignore[misc]
        lease._SESSION = f"set idle_session_timeout = '{self.seconds}s'"  # type: ignore[misc]


def use_descriptors_again() -> None:
    """As in a busy process: the descriptor of a closed connection is at once that of another, silent one."""
    close: Callable[[psycopg.Connection[Any]], None] = psycopg.Connection.close
    others: list[tuple[socket.socket, socket.socket]] = []

    def closing(connection: psycopg.Connection[Any]) -> None:
        close(connection)
        others.append(socket.socketpair())

    psycopg.Connection.close = closing  # type: ignore[method-assign, assignment]


def serve_more_sagas() -> None:
    """Also run the sagas that are made for these tests."""
    SAGAS.extend(MORE_SAGAS)
    calls = Carrier.calls
    Carrier.calls = lambda carrier: [*calls(carrier), *MORE_CALLS]  # type: ignore[method-assign, assignment]


def without_limits() -> None:
    """The sagas as another version of the code defines them."""
    SAGAS[:] = [replace(definition, limits=Limits()) for definition in SAGAS]


@dataclass(frozen=True)
class Ticking:
    """A saga that starts at the times of `cron`."""

    cron: str = "* * * * * *"
    catch_up: bool = False

    def __call__(self) -> None:
        SAGAS.append(ticking(self.cron, catch_up=self.catch_up))


@dataclass(frozen=True)
class DieWhenATickStarts:
    """Dies when DBOS has enqueued what starts the saga, and the saga is not requested yet, or just then."""

    when: When

    def __call__(self) -> None:
        append = PostgresEventStore.append

        async def dying(store: PostgresEventStore, batches: Sequence[Batch], **options: Any) -> Appended:
            starts = any(event.type == "SagaRequested" for batch in batches for event in batch.events)
            if starts and self.when == "before":
                die()
            appended = await append(store, batches, **options)
            if starts:
                die()
            return appended

        PostgresEventStore.append = dying  # type: ignore[method-assign, assignment]
