"""What happens when a time of a schedule has come."""

from datetime import datetime

import structlog

from eventstore import StoreUnavailable
from workflows.saga.engine import SagaEngine
from workflows.saga.errors import SagaConflict, StoreAway
from workflows.saga.schedules import scheduled_id

log = structlog.get_logger(__name__)


class NotStarted(Exception):
    """No saga could be made for a time of a schedule. DBOS keeps it as the error of that time's workflow."""


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
        raise NotStarted(f"{saga_id}: {type(bug).__name__}, see the log") from bug
