"""Schedules as DBOS keeps them."""

from typing import Final

from dbos import DBOSClient

from workflows.saga.definition import Registry
from workflows.saga.runs import QUEUE

SCHEDULED: Final = "saga/scheduled"
"""The durable name of the workflow. `/` keeps it apart from sagas, which a path must be able to name."""


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
