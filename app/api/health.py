"""Health: is the process there, and does it take requests."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.requests import RuntimeOf
from app.problems import NotReady, Problem

router = APIRouter(prefix="/health", tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: str = Field(default="live", examples=["live"])


class Ready(BaseModel):
    """Every part works."""

    status: str = Field(default="ready", examples=["ready"])
    checks: dict[str, str] = Field(examples=[{"database": "ok", "executor": "ok", "lease": "ok"}])
    lagging: dict[str, str] = Field(
        default_factory=dict,
        examples=[{}],
        description="What follows the log (read models, subscriptions, sealer) and cannot go on, and why.",
    )


@router.get("/live", summary="Is the process there")
async def live() -> Live:
    """Says nothing of the database: a process that waits for it must not be restarted."""
    return Live()


@router.get(
    "/ready",
    summary="Does the server take requests",
    responses={503: {"model": Problem, "description": "`checks` says what is wrong."}},
)
async def ready(runtime: RuntimeOf) -> Ready:
    """Whether the database answers and the executor holds its lease; a read model that lags is told of."""
    checks = await runtime.ready()
    if any(state != "ok" for state in checks.values()):
        raise NotReady(checks)
    return Ready(checks=checks, lagging=runtime.lagging())
