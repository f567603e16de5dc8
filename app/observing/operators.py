"""Counts what is asked of sagas from outside their runs: by operators, signals, and who looks after runs."""

from dataclasses import dataclass
from typing import Final

from app.observing.figures import Figures
from domain import Event
from workflows.saga import SagaEngine, journal
from workflows.saga.engine import Decide
from workflows.saga.state import SagaState
from workflows.saga.view import SagaView

ACTIONS: Final[dict[type[Event], str]] = {
    journal.CompensationRequested: "compensate",
    journal.RetryRequested: "retry",
    journal.Resumed: "resume",
    journal.StepSkipped: "skip",
    journal.SagaAbandoned: "abandon",
    journal.SignalReceived: "signal",
    journal.RunNamed: "name-run",
    journal.SagaStuck: "halt",
}


@dataclass(frozen=True, kw_only=True)
class ObservedEngine(SagaEngine):
    """Counts each request that was recorded, once: not those that were refused, or were so already."""

    figures: Figures

    async def request(
        self, saga_id: str, decide: Decide, actor: str, expected_version: int | None = None
    ) -> SagaView:
        name, recorded = "", None

        def noted(state: SagaState, next_run: int) -> Event | None:
            nonlocal name, recorded
            # Decided again when the journal has moved: the last decision is the one that was appended.
            name, recorded = state.name, decide(state, next_run)
            return recorded

        view = await super().request(saga_id, noted, actor, expected_version)
        if recorded is not None:
            self._count(name, recorded)
        return view

    def _count(self, name: str, entry: Event) -> None:
        self.figures.operations[name, ACTIONS[type(entry)]].inc()
        if isinstance(entry, journal.SagaAbandoned):
            self.figures.ended[name, "abandoned"].inc()
        elif isinstance(entry, journal.SagaStuck):
            self.figures.stuck[name, entry.reason].inc()
