"""Replay: recorded outcomes come back in the order of the journal, and nothing new begins before all have.

A *strand* is a line of steps, one after the other: the saga's function, and each member of a gather. A strand
that asks for a step waits here for its turn. Once every strand waits, the recorded outcome that stands first
in the journal is given, and its strand goes on to its next step; when no recorded one is left, all others may
begin. A step without an outcome that is closed, as one beside it has failed, does not wait for that: what the
function did after the failure may be recorded. So the function sees what it saw the first time,
whatever ran side by side then, and knows of every recorded failure before a step starts beside it.
"""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Replay:
    """The turns of one execution's strands."""

    def __init__(self) -> None:
        self._running = 1
        self._recorded: list[tuple[int, int, asyncio.Future[None]]] = []
        self._new: list[tuple[asyncio.Future[None], Callable[[], bool]]] = []
        self._asked = count()
        self._over = False

    async def turn(self, outcome_version: int | None, closed: Callable[[], bool] = lambda: False) -> None:
        """Wait until the outcome recorded as that version is the next; None: until none is left, or the step
        is `closed`."""
        if self._over:
            return
        turn = asyncio.get_running_loop().create_future()
        if outcome_version is None:
            self._new.append((turn, closed))
        else:
            heappush(self._recorded, (outcome_version, next(self._asked), turn))
        self.end_strand()
        try:
            await turn
            if self._over and len(self._new) > 1 and turn is self._new[-1][0]:
                await asyncio.sleep(0)  # the others were released first, and go on first
        except asyncio.CancelledError:
            self._running += turn.cancelled()  # it goes on, to its end
            raise

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

    def _release_new(self) -> None:
        closed = [turn for turn, is_closed in self._new if is_closed()]
        if closed:
            self._new = [each for each in self._new if each[0] not in closed]
        else:
            self._over = True
        for turn in closed or [turn for turn, _ in self._new]:
            self._release(turn)

    def _release(self, turn: "asyncio.Future[None]") -> None:
        if not turn.done():
            self._running += 1
            turn.set_result(None)
