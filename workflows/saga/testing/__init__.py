"""Run sagas in memory: the real kernel and store, without a database and without DBOS; time is only moved.

    run_saga = TestKit(CATALOG, calls={ORDER_LUNCH: order_lunch, CANCEL_LUNCH: cancel_lunch}).run_saga

    outcome = await run_saga(PLAN_MEETING, MEETING, reject=BookProjector)
    assert outcome.status == "compensated"
    assert outcome.compensations == [CancelLunch(...), FreeRoom(...)]

`TestKit` runs one saga in a world of its own. `MemoryService` is that world, for tests that act between its
runs: as an operator, as another saga, as a process that dies at a certain append.
"""

from workflows.saga.testing.clock import VirtualTimeLoop
from workflows.saga.testing.disturbance import Reject
from workflows.saga.testing.kit import Signal, TestKit
from workflows.saga.testing.outcome import Outcome
from workflows.saga.testing.service import START, MemoryService
from workflows.saga.testing.store import Hook, HookedStore, Killed, killed_at

__all__ = [
    "START",
    "Hook",
    "HookedStore",
    "Killed",
    "MemoryService",
    "Outcome",
    "Reject",
    "Signal",
    "TestKit",
    "VirtualTimeLoop",
    "killed_at",
]
