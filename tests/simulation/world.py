"""The world of one schedule: its clock, how long things take, what goes wrong, and what was seen."""

import contextvars
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar

from eventstore import EventStoreError, StoreUnavailable
from tests.simulation.loop import PROCESS, Process, SimulatedLoop
from tests.simulation.trouble import PAUSES, Fault, Trouble

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)


class Underway:
    """What an operation gives that does not end at once: `end` is called with its outcome, and is set by
    the world."""

    end: Callable[[Any], None]


class World:
    """What everything in a schedule shares."""

    def __init__(self, rng: Random, trouble: Trouble) -> None:
        self.rng = rng
        self.trouble = trouble
        self.loop = SimulatedLoop()
        self.violations: list[str] = []
        self.trace: list[tuple[float, object]] = []
        self.crashes = 0
        self.pauses = 0
        self.on_kill: list[Callable[[Process], None]] = []
        self.on_pause: list[Callable[[Process, float], None]] = []

    def now(self) -> datetime:
        """The database's clock."""
        return START + timedelta(seconds=self.loop.time())

    def note(self, what: object) -> None:
        """Keep what happens; its text is made when it is read."""
        self.trace.append((self.loop.time(), what))

    def violated(self, rule: str) -> None:
        self.note(f"VIOLATION {rule}")
        self.violations.append(rule)

    def later(self, seconds: float, act: Callable[..., Any], *args: Any) -> None:
        """Something outside of all processes happens in so long."""
        self.loop.later(seconds, act, *args)

    def spawn(self, process: Process, coro: Any) -> Any:
        """A task of `process`."""
        context = contextvars.Context()
        context.run(PROCESS.set, process)
        return self.loop.create_task(coro, context=context)

    def kill(self, process: Process | None) -> None:
        if process is not None and process.alive:
            process.alive = False
            self.crashes += 1
            self.note(f"{process.name} dies")
            for act in self.on_kill:
                act(process)

    def pause(self, process: Process | None, seconds: float) -> None:
        if process is None or process.asleep or not process.alive:
            return
        process.asleep = True
        self.pauses += 1
        self.note(f"{process.name} is paused for {seconds} s")
        self.later(seconds, self.loop.wake, process)
        for act in self.on_pause:
            act(process, seconds)

    async def io(self, operation: Callable[[], T | Underway], faults: tuple[Fault, ...]) -> T:
        """An operation outside of the process: it arrives, happens at one instant, and is answered."""
        process, trouble = PROCESS.get(), self.trouble
        fault = trouble.fault(faults)
        answer: Any = self.loop.create_future()
        if fault is not None:
            self.note(f"{process.name if process else 'somebody'}: {fault}")
        if fault == "killed before":
            self.kill(process)
            await answer
        if fault == "paused before":
            self.pause(process, self.rng.choice(PAUSES))
        if fault == "late":
            self.kill(process)
        self.later(trouble.delay() + 3.0 * (fault == "late"), self._arrive, operation, fault, process, answer)
        return await answer  # type: ignore[no-any-return]

    def _arrive(
        self, operation: Callable[[], Any], fault: Fault | None, process: Process | None, answer: Any
    ) -> None:
        done: Any = None
        if fault != "away":
            try:
                done = operation()
            except EventStoreError as error:
                done = error
        if isinstance(done, Underway):
            done.end = partial(self._done, fault, process, answer)
        else:
            self._done(fault, process, answer, done)

    def _done(self, fault: Fault | None, process: Process | None, answer: Any, done: Any) -> None:
        outcome = StoreUnavailable("the database did not answer") if fault in ("away", "lost") else done
        if fault == "killed after":
            self.kill(process)
        if fault == "paused after":
            self.pause(process, self.rng.choice(PAUSES))
        if self.trouble.chance(0.5):
            self._answer(answer, outcome)
        else:
            self.later(self.trouble.delay(), self._answer, answer, outcome)

    @staticmethod
    def _answer(answer: Any, outcome: Any) -> None:
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
