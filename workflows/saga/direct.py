"""Direct starts: the first run begins at once in the process that was asked, while that has a free slot.

DBOS's row of the run first, then, in the run itself, SagaRequested: who asked is told yes when that is
durable. A crash between the two leaves a row without a journal, and nobody was told yes; its run ends quietly
wherever it is resumed, and who asks again under the same id gets a run of the next number (ADR 0029).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from workflows.saga.definition import SagaDefinition
from workflows.saga.state import SagaState
from workflows.saga.view import SagaView

Request = Callable[[], Awaitable[SagaState]]
"""Appends SagaRequested and gives the saga as it is then. Raises WrongExpectedVersion when it exists."""


class RunExists(Exception):
    """DBOS has, or may have, a run of this id: of a saga that exists, or one without a journal."""


class DirectRuns(Protocol):
    """Where runs can begin in this process."""

    def takes(self, definition: SagaDefinition) -> bool:
        """Whether a saga of this kind may begin here and now."""
        ...

    async def begin(self, definition: SagaDefinition, saga_id: str, request: Request) -> SagaView:
        """Begin the first run with `request`; the saga once it is durable. Raises RunExists, and what
        `request` raises."""
        ...


@contextmanager
def counted(under_way: Counter[str], key: str) -> Iterator[None]:
    """Counted: of two at once under one key the first to end must not hide the other."""
    under_way[key] += 1
    try:
        yield
    finally:
        under_way[key] -= 1
        if not under_way[key]:
            del under_way[key]


class Moved:
    """What a waiter has of a saga: `event` is set at the end of a run, `state` is what that left."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.state: SagaState | None = None


class Moves:
    """Tells those who wait for a saga that a run of it has ended in this process."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Moved]] = {}
        self._here: Counter[str] = Counter()

    def run(self, saga_id: str) -> AbstractContextManager[None]:
        """A run of this saga is under way in this process."""
        return counted(self._here, saga_id)

    def here(self, saga_id: str) -> bool:
        """Whether a run of it is under way here, whose end will be told."""
        return saga_id in self._here

    @contextmanager
    def of(self, saga_id: str) -> Iterator[Moved]:
        moved = Moved()
        waiting = self._waiting.setdefault(saga_id, [])
        waiting.append(moved)
        try:
            yield moved
        finally:
            waiting.remove(moved)
            if not waiting:
                self._waiting.pop(saga_id, None)

    def tell(self, saga_id: str, state: SagaState | None) -> None:
        """A run has ended. `state` is not changed any more; None when it is not known."""
        for moved in self._waiting.get(saga_id, ()):
            moved.state = state
            moved.event.set()
