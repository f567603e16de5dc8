"""Schedules as DBOS keeps them, and what its scheduled workflow does."""

from datetime import datetime
from typing import Final

import structlog
from dbos import DBOSClient

from eventstore import StoreUnavailable
from workflows.saga.definition import Registry
from workflows.saga.engine import SagaEngine
from workflows.saga.errors import SagaConflict, StoreAway
from workflows.saga.runs import QUEUE
from workflows.saga.schedules import scheduled_id

SCHEDULED: Final = "saga/scheduled"
"""The durable name of the workflow. `/` keeps it apart from sagas, which a path must be able to name."""


class NotStarted(Exception):
    """No saga could be made for a time of a schedule. DBOS keeps it as the error of that time's workflow."""


log = structlog.get_logger(__name__)


async def keep_schedules(client: DBOSClient, registry: Registry) -> None:
    """Make DBOS's schedules those of the definitions: new ones, changed ones, and none that are gone."""
    declared = {saga.name: saga.schedule for saga in registry if saga.schedule is not None}
    await client.apply_schedules_async(
        [
            {
                "schedule_name": name,
                "workflow_name": SCHEDULED,
                "schedule": schedule.cron,
                "context": name,
                "automatic_backfill": schedule.catch_up,
                "cron_timezone": schedule.timezone,
                "queue_name": QUEUE,
            }
            for name, schedule in declared.items()
        ]
    )
    for known in await client.list_schedules_async(workflow_name=SCHEDULED):
        if known["schedule_name"] not in declared:
            await client.delete_schedule_async(known["schedule_name"])


async def start_scheduled(engine: SagaEngine, name: str, due: datetime) -> None:
    """Start the saga whose time has come, unless it was started for that time before.

    Raises StoreAway, so that it is done again when the database is back, and NotStarted.
    """
    saga_id = scheduled_id(name, due)
    schedule = next((saga.schedule for saga in engine.registry if saga.name == name), None)
    if schedule is None:
        log.warning("saga has no schedule any more", saga=name, due=due.isoformat())
        return
    try:
        await engine.start(name, schedule.input(due), saga_id=saga_id, actor="schedule")
    except StoreUnavailable as away:
        raise StoreAway(str(away)) from away
    except SagaConflict as conflict:
        log.warning("scheduled saga exists with another input", saga_id=saga_id, reason=str(conflict))
    except Exception as bug:
        log.exception("scheduled saga not started", saga_id=saga_id)
        raise NotStarted(f"{saga_id}: {type(bug).__name__}: {bug}") from bug
