"""Visits every state a model can reach, breadth first: the first trace to a violation is a shortest one."""

from array import array
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
Move = tuple[str, S]
"""What happens, and the state after it."""


class Model(Protocol[S]):
    """A state machine with two kinds of moves: those that must happen in the end, and those that may."""

    initial: S

    def certain_moves(self, state: S) -> Iterable[Move[S]]:
        """What goes on by itself as long as nothing disturbs it."""
        ...

    def possible_moves(self, state: S) -> Iterable[Move[S]]:
        """What people and faults may do, and may leave."""
        ...

    def violations(self, state: S, *, at_rest: bool) -> Iterable[str]:
        """The names of the properties that `state` breaks; at rest nothing happens by itself any more."""
        ...


RESTLESS = "restless"
"""The violation that no single state shows: a state from which no undisturbed way leads to rest."""


@dataclass(slots=True)
class Exploration(Generic[S]):
    """All states that were reached, and for each property broken a shortest trace that breaks it."""

    states: int = 0
    resting: int = 0
    final: int = 0
    traces: dict[str, list[str]] = field(default_factory=dict)


class StateSpaceTooLarge(Exception):
    """The model has more states than the exploration was given. Bound the model, or raise the limit."""


def explore(model: Model[S], *, until: str | None = None, states_max: int = 4_000_000) -> Exploration[S]:
    """Visit all states, or stop as soon as the violation `until` was met.

    Raises StateSpaceTooLarge.
    """
    return _Search(model, states_max).run(until)


class _Search(Generic[S]):
    def __init__(self, model: Model[S], states_max: int) -> None:
        self.model = model
        self.states_max = states_max
        self.index: dict[S, int] = {model.initial: 0}
        self.parents = array("l", [-1])
        self.labels: list[str] = [""]
        self.edges_from = array("l")
        self.edges_to = array("l")
        self.rests: list[int] = []
        self.found: Exploration[S] = Exploration()

    def run(self, until: str | None) -> Exploration[S]:
        frontier = [self.model.initial]
        while frontier and until not in self.found.traces:
            frontier = [after for state in frontier for after in self._visit(state)]
        self.found.states = len(self.index)
        self.found.resting = len(self.rests)
        if not frontier:
            self._look_for_restless_states()
        return self.found

    def _visit(self, state: S) -> Iterator[S]:
        here = self.index[state]
        new: list[S] = []
        edges = len(self.edges_to)
        for label, after in self.model.certain_moves(state):
            self.edges_from.append(here)
            self.edges_to.append(self._number(after, here, label, new))
        at_rest = len(self.edges_to) == edges
        may_move = False
        for label, after in self.model.possible_moves(state):
            self._number(after, here, label, new)
            may_move = True
        if at_rest:
            self.rests.append(here)
            self.found.final += not may_move
        for name in self.model.violations(state, at_rest=at_rest):
            self.found.traces.setdefault(name, self._trace(here))
        return iter(new)

    def _number(self, state: S, parent: int, label: str, new: list[S]) -> int:
        number = self.index.setdefault(state, len(self.index))
        if number == len(self.labels):
            if number >= self.states_max:
                raise StateSpaceTooLarge(self.states_max)
            self.parents.append(parent)
            self.labels.append(label)
            new.append(state)
        return number

    def _trace(self, number: int) -> list[str]:
        trace = []
        while number > 0:
            trace.append(self.labels[number])
            number = self.parents[number]
        return trace[::-1]

    def _look_for_restless_states(self) -> None:
        """Walk the certain moves back from the states at rest: what is not met never comes to rest."""
        predecessors: list[list[int]] = [[] for _ in self.labels]
        for source, target in zip(self.edges_from, self.edges_to, strict=True):
            predecessors[target].append(source)
        calm = bytearray(len(self.labels))
        todo = self.rests.copy()
        while todo:
            number = todo.pop()
            if not calm[number]:
                calm[number] = True
                todo.extend(predecessors[number])
        restless = calm.find(0)
        if restless >= 0:
            self.found.traces.setdefault(RESTLESS, self._trace(restless))
