"""What both kinds of DBOS steps share: a workflow of five of them, and its clients."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

from dbos import DBOS, DBOSConfig, SetWorkflowID

from app.bench.measure import Rate, closed_loop
from app.database import sqlalchemy_url
from tests.bench.compare.contestant import STEPS


def configure(url: str) -> None:
    """To be done before a step is declared."""
    config: DBOSConfig = {
        "name": "compare",
        "system_database_url": sqlalchemy_url(url),
        "log_level": "ERROR",
    }
    DBOS(config=config)


async def measure_workflow(
    insert: Callable[[str, int], Awaitable[None]], clients: int, seconds: float
) -> Rate:
    """Workflows a second whose steps are `insert`, with the workflow's name and the number of the step."""

    @DBOS.workflow()
    async def five(name: str) -> None:
        for step in range(STEPS):
            await insert(name, step)

    async def ask() -> None:
        name = str(uuid4())
        with SetWorkflowID(name):
            await five(name)

    DBOS.launch()
    try:
        return await closed_loop(ask, clients, seconds)
    finally:
        DBOS.destroy()
