"""The reconciler: the net under DBOS's rows.

The row of a run is the only engine of its saga. Rows can be lost (cancelled or deleted by hand, a restore of
one schema, a bug): an open saga whose named run is in no active row gets a new run, named and enqueued in one
append.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from app.readmodels.sagas import Overdue, SagaList
from eventstore import StoreUnavailable
from workflows.saga.dbos_runs import DbosRuns
from workflows.saga.engine import SagaEngine
from workflows.saga.runs import run_id

SCAN_SECONDS: Final = 60.0
AGE: Final = timedelta(seconds=30)

log = structlog.get_logger(__name__)


@dataclass
class Reconciler:
    """Compares the open sagas with DBOS's rows. `repaired` counts the runs it had to name."""

    sagas: SagaList
    runs: DbosRuns
    engine: SagaEngine
    age: timedelta = AGE
    repaired: int = 0

    async def scan(self) -> None:
        """Wake every saga that sleeps though something is due."""
        after: Overdue | None = None
        while overdue := await self.sagas.overdue(self.age, after=after):
            after = overdue[-1]
            named = {run_id(saga.saga_id, saga.named_run): saga for saga in overdue}
            active = await self.runs.active(list(named))
            for name, saga in named.items():
                if name not in active:
                    await self._try_repair(saga.saga_id, saga.named_run)

    async def _try_repair(self, saga_id: str, run: int) -> None:
        """One saga that cannot be repaired must not keep the others asleep, whatever is wrong with it."""
        try:
            await self._repair(saga_id, run)
        except StoreUnavailable:  # that is wrong with all of them: the next round comes
            raise
        except Exception:
            log.exception("saga without a run cannot be woken", saga_id=saga_id, run=run)

    async def _repair(self, saga_id: str, run: int) -> None:
        repaired = await self.engine.name_next_run(saga_id, run, "no active run in DBOS")
        self.repaired += 1
        log.warning("saga had no run", saga_id=saga_id, run=run, status=repaired.status)
