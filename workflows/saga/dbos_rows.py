"""DBOS's rows of runs that have ended: to list them and to delete them, by DBOS's public API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dbos import DBOS, DBOSClient, WorkflowStatus

from workflows.saga.runs import APPLICATION

ACTIVE: Final = ["ENQUEUED", "DELAYED", "PENDING"]
ENDED: Final = ["SUCCESS", "ERROR"]
"""Not CANCELLED: a row that somebody has cancelled by hand may still be resumed by hand."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A row of a run that has ended: its workflow id, its workflow's name, when it was made."""

    run_id: str
    name: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of rows, in the order of their time: behind `passed` ones of `since_ms`."""

    since_ms: int = 0
    passed: int = 0

    def behind(self, last: EndedRun, kept: Sequence[EndedRun]) -> "Place":
        """The place behind `last`, where of the rows since this place only `kept` are still there."""
        passed = sum(row.created_at_ms == last.created_at_ms for row in kept)
        again = self.passed if last.created_at_ms == self.since_ms else 0
        return Place(last.created_at_ms, passed + again)


async def ended_rows(before: datetime, place: Place, limit: int) -> list[EndedRun]:
    """Rows that ended before that time, oldest first."""
    # Half a millisecond on: DBOS cuts what a float makes of the time.
    since = datetime.fromtimestamp((place.since_ms + 0.5) / 1000, UTC)
    rows = await DBOS.list_workflows_async(
        status=ENDED,
        completed_before=before.isoformat(),
        start_time=since.isoformat(),
        offset=place.passed,
        limit=limit,
        load_input=False,
        load_output=False,
    )
    return [_ended(row) for row in rows]


def active_runs(url: str, run_ids: Sequence[str]) -> set[str]:
    """Those of `run_ids` that DBOS will start or believes to be under way, asked without DBOS being launched.

    Blocks. `url` is libpq's. Raises sqlalchemy's OperationalError.
    """
    if not run_ids:
        return set()
    client = DBOSClient(
        system_database_url="postgresql+psycopg://" + url.removeprefix("postgresql://"),
        application_name=APPLICATION,
        lazy=True,
        retry_connection_errors=False,
    )
    try:
        rows = client.list_workflows(
            workflow_ids=list(run_ids), status=ACTIVE, load_input=False, load_output=False
        )
    finally:
        client.destroy()
    return {row.workflow_id for row in rows}


async def delete_rows(run_ids: Sequence[str]) -> None:
    """Delete the rows of these ids, whatever they are by now: list them just before."""
    if run_ids:
        await DBOS.delete_workflows_async(list(run_ids))


def _ended(row: WorkflowStatus) -> EndedRun:
    return EndedRun(row.workflow_id, row.name, row.created_at or 0)
