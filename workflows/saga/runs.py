"""What DBOS is told of a run: its names, and where it waits."""

from dataclasses import dataclass
from typing import Any, Final

from workflows.saga.limits import PRIORITY_DEFAULT

QUEUE: Final = "sagas"
APPLICATION: Final = "saga-orchestrator"
APPLICATION_VERSION: Final = "1"
"""Constant: changes of code are the journal's business (`saga.version`), not DBOS's."""
RUNS_TAKEN_MAX: Final = 20
"""So many runs DBOS may have of a saga that its journal does not name; each is passed over."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The queue in which the runs of one kind of saga wait, and their priority there."""

    queue: str
    priority: int


SHARED: Final = Lane(QUEUE, PRIORITY_DEFAULT)
"""Of all sagas that declare no limits, and of those that no code defines any more."""


def queue_of(saga: str) -> str:
    """The queue of a kind of saga that has one of its own."""
    return f"{QUEUE}.{saga}"


def run_id(saga_id: str, run: int) -> str:
    """The DBOS workflow id of a run: the saga id for the first, `<saga id>/<n>` after that."""
    return saga_id if run == 1 else f"{saga_id}/{run}"


def run_number(workflow_id: str) -> int:
    _, _, number = workflow_id.partition("/")
    return int(number) if number else 1


def saga_of(workflow_id: str) -> str:
    return workflow_id.partition("/")[0]


def run_request(
    lane: Lane, saga: str, saga_id: str, run: int, *, delay_seconds: float | None = None
) -> dict[str, Any]:
    """The attachment that makes an append enqueue a run, in its own transaction."""
    request = {
        "workflow": saga,
        "queue": lane.queue,
        "priority": lane.priority,
        "id": run_id(saga_id, run),
        "argument": saga_id,
        "version": APPLICATION_VERSION,
        "application": APPLICATION,
        "delay_ms": None if delay_seconds is None else max(0, round(delay_seconds * 1000)),
    }
    return {"runs": [request]}
