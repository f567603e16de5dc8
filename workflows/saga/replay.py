"""Outcomes are given in the order of the journal; nothing new begins before all that are recorded have been.

A *strand* is a line of steps, one after the other: the saga's function, and each member of a gather. A strand
that asks for a step waits here for its turn. Once every strand waits, the recorded outcome that stands first
in the journal is given, and its strand goes on to its next step; when no recorded one is left, all others may
begin. A step without an outcome that is closed, as one beside it has failed, does not wait for that: what the
function did after the failure may be recorded. So the function sees what it saw the first time,
whatever ran side by side then, and knows of every recorded failure before a step starts beside it.

From there on steps are live, and their outcomes are given in the same way: the next one when the function has
done what it does about the one before; no step begins while one is due. Else a process that stops for a
moment could hear of both at once, and the strand with the shorter way to its function would see its own
first, which no replay would repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final, TypeVar

T = TypeVar("T")

PASSES_MAX: Final = 200
"""So many passes of the event loop a live outcome waits for strands that go on. To come to its next step a
strand needs three for each gather that it leaves; one that waits for something else holds up nobody."""


class Replay:
    """The turns of one execution's strands."""

    def __init__(self) -> None:
        self._running = 1
        self._recorded: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._new: list[tuple[asyncio.Future[bool], Callable[[], bool]]] = []
        self._asked = count()
        self._over = False

    async def turn(self, outcome_version: int | None, closed: Callable[[], bool] = lambda: False) -> None:
        """Wait until the outcome recorded as that version is the next; None: until none is left, or the step
        is `closed`."""
        if outcome_version is None and self._over and not self._is_one_due():
            return
        turn = asyncio.get_running_loop().create_future()
        if outcome_version is None:
            self._new.append((turn, closed))
        else:
            heappush(self._recorded, (outcome_version, next(self._asked), turn))
        others = outcome_version is None and len(self._new) > 1
        self.end_strand()
        try:
            if self._over and others and turn.done():
                await asyncio.sleep(0)  # they were released first, and go on first
            if self._over:
                await self._live_turn(turn)
            await turn
        finally:
            turn.cancel()
            if turn.cancelled() or not turn.result():
                self._running += 1

    async def live(self, step: Awaitable[T], outcome_version: Callable[[], int | None]) -> T:
        """What a new step comes to, in the turn of its outcome. Its strand does not go on meanwhile,
        but that of a closed one does: the replay is not over yet, and waits for it."""
        if not self._over:
            return await step
        self.end_strand()
        try:
            return await step
        finally:
            self._running += 1
            if (version := outcome_version()) is not None:
                await self.turn(version)

    def fork(self, strands: int) -> None:
        """The strand that asks splits into so many; it goes on itself when the last of them has ended."""
        self._running += strands - 1

    def end_strand(self) -> None:
        """One strand less goes on by itself."""
        self._running -= 1
        while self._running <= 0 and self._recorded:
            *_, turn = heappop(self._recorded)
            self._release(turn)
        if self._running <= 0 and self._new:
            self._release_new()

    def _is_one_due(self) -> bool:
        return any(not turn.done() for *_, turn in self._recorded)

    async def _live_turn(self, turn: "asyncio.Future[bool]") -> None:
        for _ in range(PASSES_MAX):
            if turn.done():
                return
            await asyncio.sleep(0)
        self._release(turn)

    def _release_new(self) -> None:
        closed = [turn for turn, is_closed in self._new if is_closed()]
        if closed:
            self._new = [each for each in self._new if each[0] not in closed]
            for turn in closed:
                self._release(turn)
            return
        self._over, new, self._new = True, self._new, []
        for turn, _ in new:
            if not turn.done():
                turn.set_result(False)  # its step is live: until it ends, its strand does not go on

    def _release(self, turn: "asyncio.Future[bool]") -> None:
        """The turn is now. The strand goes on from here, not only when the event loop comes to it."""
        if not turn.done():
            self._running += 1
            turn.set_result(True)
