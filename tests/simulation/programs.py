"""Random sagas: a program is a tree of actions, made from the seed and played by one saga function."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from pydantic import BaseModel

from domain import Rejected
from tests.simulation.effects import ASK, SEND, UNSEND, Do, Message, News, Undo
from workflows.saga import NOTHING, CallFailed, Retry, Saga, SagaDefinition
from workflows.saga.context import Step

OWN_REFUSALS = 0.1
"""So many of the leaves below a gather, a branch or a `try` are a refusal of the function's own."""

Seen = Callable[[Saga, str, str], None]
"""Told what the function saw: in which strand, at which action, and what."""


class Plan(BaseModel):
    """The input of a simulated saga: which program, and how often it has begun again."""

    program: str
    lap: int = 0


@dataclass
class Action:
    """One node of a program. What its fields mean depends on `kind`."""

    kind: str
    number: int
    manner: str = "ok"
    undo: str = "ok"
    tally: str = ""
    seconds: float | None = None
    attempts: int = 1
    timeout: float = 5.0
    child: str = ""
    inner: list["Action"] = field(default_factory=list)


@dataclass
class Program:
    """What a saga does, lap after lap."""

    name: str
    laps: list[list[Action]]
    children: list[str] = field(default_factory=list)


@dataclass
class Player:
    """Plays the actions of one program for one execution of its function."""

    definition: Callable[[], SagaDefinition]
    plan: Plan
    saw: Seen

    async def play(self, saga: Saga, actions: list[Action]) -> None:
        for action in actions:
            await self.act(saga, action)

    async def act(self, saga: Saga, action: Action) -> None:
        match action.kind:
            case "pivot":
                saga.pivot()
            case "value":
                saga.uuid(), saga.now()
            case "tag":
                saga.tag(lap=str(self.plan.lap), action=str(action.number))
            case "refuse":
                self.saw(saga, f"{action.number}", "says no")
                raise Rejected(f"no {action.number}", code="own")
            case "try":
                try:
                    await self.play(saga, action.inner)
                except (Rejected, CallFailed) as no:
                    self.saw(saga, f"{action.number}", f"caught {no}")
            case _:
                await self.watch(saga, action, self.step(saga, action))

    async def watch(self, saga: Saga, action: Action, step: Awaitable[Any]) -> Any:
        """The result of a step; it, or the failure, is noted at the instant at which the function sees it."""
        try:
            result = await step
        except (Rejected, CallFailed) as no:
            self.saw(saga, f"{action.number}", f"{type(no).__name__} {no}")
            raise
        self.saw(saga, f"{action.number}", f"got {result!r}")
        return result

    def step(self, saga: Saga, action: Action) -> Step[Any] | Awaitable[Any]:
        """The step, not begun yet."""
        match action.kind:
            case "execute":
                return self._execute(saga, action)
            case "call":
                return self._call(saga, action)
            case "receive" if action.seconds is None:
                return saga.receive(action.manner, News)
            case "receive":
                return saga.receive(action.manner, News, timeout=timedelta(seconds=action.seconds or 0.0))
            case "sleep":
                return saga.sleep(timedelta(seconds=action.seconds or 0.0))
            case "child":
                detached = action.manner == "detached"
                given = f"{saga.id}-{action.number}" if action.number % 3 == 0 else None
                return saga.start(self.definition(), Plan(program=action.child), id=given, detached=detached)
            case "branch":
                return saga.branch(self.play, action.inner)
            case "gather":
                return saga.gather(*(self.side(saga, each) for each in action.inner))
            case kind:
                raise AssertionError(kind)

    def side(self, saga: Saga, action: Action) -> Step[Any]:
        """A member of a gather: a step, or a branch if it has to be more."""
        if action.kind in ("execute", "call", "receive", "sleep", "child", "branch") and action.number % 3:
            step = self.step(saga, action)
            assert isinstance(step, Step)
            return step
        return saga.branch(self.play, [action])

    def _execute(self, saga: Saga, action: Action) -> Step[Any]:
        effect = f"{saga.id}#{self.plan.lap}#{action.number}"
        undo = Undo(tally=action.tally, effect=effect, manner=action.undo)
        compensate: Any = undo
        if action.undo == "nothing":
            compensate = NOTHING
        elif action.number % 2:
            compensate = lambda _events: undo  # noqa: E731
        return saga.execute(
            Do(tally=action.tally, effect=effect, manner=action.manner), compensate=compensate
        )

    def _call(self, saga: Saga, action: Action) -> Step[Any]:
        effect = f"{saga.id}#{self.plan.lap}#{action.number}"
        message = Message(effect=effect, manner=action.manner, undo_manner=action.undo)
        return saga.call(
            ASK if action.number % 2 else SEND,
            message,
            compensate=NOTHING if action.undo == "nothing" else UNSEND.of(message),
            retry=Retry(attempts=action.attempts, first_wait_seconds=action.seconds or 0.2),
            timeout=timedelta(seconds=action.timeout),
        )


@dataclass
class Author:
    """Writes programs."""

    rng: Random
    size: int
    pace: float = 1.0
    prefix: str = ""
    programs: dict[str, Program] = field(default_factory=dict)
    _numbers: int = 0

    def __post_init__(self) -> None:
        self._refusals = Random(repr(self.rng.getstate()))  # the rest of a program does not depend on them

    def program(self, name: str, depth: int = 0) -> Program:
        """A program, and those of the sagas that it starts."""
        program = Program(name, [])
        self.programs[name] = program
        laps = self.rng.choice((1, 1, 1, 1, 1, 2, 3))
        for lap in range(laps):
            pivot = self.rng.random() < (0.3 if lap == laps - 1 else 1.0)
            actions = self._sequence(program, self.rng.randint(1, self.size), depth, past_pivot=False)
            if pivot:
                actions.append(self._new("pivot"))
                actions += self._sequence(program, self.rng.randint(0, 2), depth, past_pivot=True)
            program.laps.append(actions)
        return program

    def _new(self, kind: str, **more: Any) -> Action:
        self._numbers += 1
        action = Action(kind, self._numbers, timeout=5.0 * self.pace, **more)
        if action.seconds is not None:
            action.seconds *= self.pace
        return action

    def _sequence(self, program: Program, size: int, depth: int, *, past_pivot: bool) -> list[Action]:
        return [self._action(program, depth, past_pivot, nested=0) for _ in range(size)]

    def _action(
        self, program: Program, depth: int, past_pivot: bool, nested: int, caught: bool = False
    ) -> Action:
        """One action, and those in it. Past the pivot a refusal of the function's own must be `caught`: it
        would be stuck with it for ever."""
        kinds = ["execute"] * 7 + ["call"] * 4 + ["receive"] * 2 + ["sleep", "value", "tag"]
        kinds += ["child"] * 2 * (depth < 2)
        kinds += (["gather"] * 4 + ["try"] * 3 + ["branch"]) * (nested < 2)
        kind = self.rng.choice(kinds)
        if kind in ("gather", "try", "branch"):
            count = self.rng.randint(2, 3) if kind == "gather" else self.rng.randint(1, 2)
            caught = caught or kind == "try"
            inner = [self._action(program, depth, past_pivot, nested + 1, caught) for _ in range(count)]
            return self._new(kind, inner=inner)
        leaf = self._leaf(program, kind, depth, past_pivot)
        may_refuse = nested and kind != "child" and (caught or not past_pivot)
        if may_refuse and self._refusals.random() < OWN_REFUSALS:
            return Action("refuse", leaf.number)
        return leaf

    def _leaf(self, program: Program, kind: str, depth: int, past_pivot: bool) -> Action:
        rng = self.rng
        match kind:
            case "execute":
                ok = ("ok",) * 8
                manner = rng.choice((*ok, "until healed") if past_pivot else (*ok, "no", "few", "few", "few"))
                undo = rng.choice(("ok",) * 9 + ("nothing", "no", "until healed"))
                tally = rng.choice(("hot", "hot", "warm", f"own{self._numbers}"))
                return self._new(kind, manner=manner, undo=undo, tally=self.prefix + tally)
            case "call":
                return self._call(past_pivot)
            case "receive":
                seconds = rng.choice((None, None, 0.5, 3.0, 30.0))
                return self._new(kind, manner=rng.choice(("red", "blue")), seconds=seconds)
            case "sleep":
                return self._new(kind, seconds=rng.choice((0.2, 3.0, 20.0)))
            case "child":
                name = f"{program.name}c{len(program.children) + 1}"
                program.children.append(name)
                self.program(name, depth + 1)
                return self._new(kind, child=name, manner=rng.choice(("awaited",) * 4 + ("detached",)))
            case _:
                return self._new(kind)

    def _call(self, past_pivot: bool) -> Action:
        rng = self.rng
        good = ("ok", "ok", "ok", "ok", "mixed", "mixed", "flaky")
        bad = ("no until healed", "away until healed") if past_pivot else ("no", "away", "lost", "mute")
        return self._new(
            "call",
            manner=rng.choice(good + bad),
            undo=rng.choice(("ok",) * 6 + ("flaky", "mixed", "nothing", "away", "no until healed")),
            attempts=rng.choice((1, 2, 4)),
            seconds=rng.choice((0.2, 0.2, 5.0)),
        )
