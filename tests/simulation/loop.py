"""An event loop whose time is virtual and whose processes can die, sleep and wake.

What is ready goes on in the order in which it became so, as in asyncio; when nothing is, the clock moves to
the next timer. Who overtakes whom is decided by how long each operation of the world takes (world.py), which
a seed decides. Every handle belongs to the process in whose context it was made: those of a dead process
never run, those of one that sleeps run when it wakes.
"""

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar
from itertools import count
from typing import Any


class Process:
    """Something that can die or stop for a while: an executor, or one request of a client."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.asleep = False
        self.held: list[asyncio.Handle] = []


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose code is running; None for the world outside of our processes: database, DBOS, other systems."""


class Happening:
    """Something outside of all processes, that nobody calls off."""

    __slots__ = ("act", "args")
    _cancelled = False

    def __init__(self, act: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.act = act
        self.args = args


class Endless(Exception):
    """The schedule does not come to an end."""


class SimulatedLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as the kernel needs."""

    def __init__(self) -> None:
        self._ready: deque[Any] = deque()
        self._timers: list[tuple[float, int, Any]] = []
        self._sequence = count()
        self._seconds = 0.0
        self._tasks: list[Any] = []
        self.errors: list[str] = []
        self.handles = 0

    def time(self) -> float:
        return self._seconds

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._sequence), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    def later(self, delay: float, act: Callable[..., Any], *args: Any) -> None:
        """Something outside of all processes happens in so long."""
        heapq.heappush(self._timers, (self._seconds + delay, next(self._sequence), Happening(act, args)))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left out when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> Any:
        task: Any = asyncio.Task(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False  # those of dead processes never end
        self._tasks.append(task)
        return task

    def close(self) -> None:
        """End the tasks that never will, in order: left to the garbage collector they can crash Python."""
        for task in self._tasks:
            if not task.done():
                with suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    def wake(self, process: Process) -> None:
        """Let a process that slept go on."""
        process.asleep = False
        self._ready.extend(process.held)
        process.held.clear()

    def run_until_idle(self, handles_max: int) -> None:
        """Let everything happen that is due or becomes due. Raises Endless."""
        ready, timers, run = self._ready, self._timers, self._run
        events._set_running_loop(self)
        try:
            while ready or timers:
                if not ready:
                    when, _, handle = heapq.heappop(timers)
                    if handle._cancelled:
                        continue
                    self._seconds = max(when, self._seconds)
                    ready.append(handle)
                run(ready.popleft())
                if self.handles > handles_max:
                    raise Endless(f"more than {handles_max} handles")
        finally:
            events._set_running_loop(None)

    def _run(self, handle: Any) -> None:
        if type(handle) is Happening:
            self.handles += 1
            try:
                handle.act(*handle.args)
            except Exception as error:
                self.errors.append(f"Exception in {handle.act}: {error!r}")
            return
        if handle._cancelled:
            return
        process: Process | None = handle._context.get(PROCESS)
        if process is not None:
            if not process.alive:
                return
            if process.asleep:
                process.held.append(handle)
                return
        self.handles += 1
        handle._run()
