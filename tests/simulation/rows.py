"""DBOS as far as sagas use it: a row for each run, dispatched at its time, resumed when nobody runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from eventstore import AppendRefused
from tests.simulation.world import World

EARLY_SECONDS_MAX = 4.0


@dataclass
class Row:
    """A run. `owner` is the executor that took it last."""

    run_id: str
    status: Literal["ENQUEUED", "DELAYED", "PENDING", "SUCCESS"]
    owner: Any = None

    @property
    def active(self) -> bool:
        return self.status != "SUCCESS"


class Rows:
    """The table of runs. `dispatch` gives a run to an executor, if there is one that can take it now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.rows: dict[str, Row] = {}
        self.dispatch: Callable[[Row], bool] = lambda _: False

    def enqueue(self, attachment: Mapping[str, Any]) -> None:
        """The SQL function: in the transaction of an append; refuses a run that exists."""
        for request in attachment["runs"]:
            if request["id"] in self.rows:
                raise AppendRefused(f"run {request['id']} exists")
        for request in attachment["runs"]:
            delay = request["delay_ms"]
            row = Row(request["id"], "ENQUEUED" if delay is None else "DELAYED")
            self.rows[row.run_id] = row
            self._poll_in((delay or 0) / 1000 - self._early(delay), row)

    def plant(self, run_id: str) -> bool:
        """A row of a run that no journal names; it has ended. Whether there was none of that id."""
        if run_id in self.rows:
            return False
        self.rows[run_id] = Row(run_id, "SUCCESS")
        self._world.note(f"the row {run_id} is there, and no journal names it")
        return True

    def _early(self, delay: int | None) -> float:
        """The one who sweeps goes by a clock of his own."""
        if delay and self._world.trouble.fault(("late",)):
            return self._world.rng.random() * EARLY_SECONDS_MAX
        return 0.0

    def resume(self, row: Row) -> None:
        """Put a pending run back, whoever may still run it."""
        if row.status == "PENDING":
            self._world.note(f"{row.run_id} is resumed")
            row.status = "ENQUEUED"
            self._poll_in(0.0, row)

    def end(self, row: Row) -> None:
        """What DBOS does when a run returns, to whomever the row belongs by then."""
        row.status = "SUCCESS"

    def _poll_in(self, seconds: float, row: Row) -> None:
        self._world.later(max(0.0, seconds) + self._world.trouble.delay(), self._poll, row)

    def _poll(self, row: Row) -> None:
        if row.status in ("ENQUEUED", "DELAYED") and not self.dispatch(row):
            self._poll_in(0.5, row)
