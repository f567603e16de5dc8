"""given(decider, *events).when(command).then(*events): the specification of one rule in one line."""

from dataclasses import dataclass
from typing import Any

import pytest

from domain import Command, Decider, Event, Rejected


@dataclass(frozen=True)
class When:
    decider: Decider[Any, Any, Any]
    history: tuple[Event, ...]
    command: Command

    def then(self, *expected: Event) -> None:
        """The command causes exactly these events; without any: it stays quiet."""
        assert self._decide() == list(expected)

    def then_rejected(self, code: str) -> Rejected:
        with pytest.raises(Rejected) as rejection:
            self._decide()
        assert rejection.value.code == code
        assert str(rejection.value)
        return rejection.value

    def _decide(self) -> list[Event]:
        return self.decider.decide(self.decider.fold(self.history), self.command)


@dataclass(frozen=True)
class Given:
    decider: Decider[Any, Any, Any]
    history: tuple[Event, ...]

    def when(self, command: Command) -> When:
        return When(self.decider, self.history, command)

    def then_state(self, **expected: object) -> None:
        assert self.decider.fold(self.history).model_dump(mode="json") == expected


def given(decider: Decider[Any, Any, Any], *history: Event) -> Given:
    return Given(decider, history)
