"""The processes that run sagas."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.api.reading import only_known_parameters
from app.api.requests import RuntimeOf, in_time
from app.executors.listing import ListedExecutor, list_executors

router = APIRouter(tags=["executors"], dependencies=[Depends(only_known_parameters)])


class ExecutorList(BaseModel):
    """Those that live first; the buried ones of the last day."""

    executors: Annotated[list[ListedExecutor], Field(description="At most 200.")]


@router.get("/executors", summary="List the processes that run sagas")
async def read_executors(runtime: RuntimeOf) -> ExecutorList:
    """Servers and workers on this database. `alive`: holds its lease and pings; `silent`: does not, its runs
    will be taken over; `buried`: they were. `slots` is null for one whose code is older than this list."""
    async with in_time(runtime):
        return ExecutorList(executors=await list_executors(runtime.pool, runtime.runs))
