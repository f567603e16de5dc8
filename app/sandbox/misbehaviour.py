"""How a sandbox is told to misbehave, and how it does.

slow     acts at once, answers after the delay
fail     503, without acting
refuse   422, a business no
drop     acts, then breaks the connection
late     acts after the delay, also when the client has gone
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

Key = Annotated[str, Path(min_length=1, max_length=300, pattern=r"^[A-Za-z0-9._:/-]+$")]
After = Annotated[str, Query(max_length=300, pattern=r"^[A-Za-z0-9._:/-]*$")]
PageSize = Annotated[int, Query(ge=1, le=1000)]

DELAY_MS_MAX: Final = 600_000
TIMES_MAX: Final = 1_000_000

T = TypeVar("T", bound=BaseModel)


class Misbehaviour(BaseModel):
    """What a sandbox does with requests from now on.

    slow: acts at once, answers after the delay · fail: 503, without acting · refuse: 422, a business no ·
    drop: acts, then breaks the connection · late: acts after the delay, also when the client has gone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["ok", "slow", "fail", "refuse", "drop", "late"] = "ok"
    delay_ms: Annotated[int, Field(ge=0, le=DELAY_MS_MAX)] = 0
    times: Annotated[
        int | None, Field(ge=0, le=TIMES_MAX, description="Requests still to come; null: all of them")
    ] = None


class BrokenResponse(Response):
    """Breaks the connection: the server closes it when fewer bytes come than were promised."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class Misbehaving:
    """Acts as it was told to. `name` is said in its refusals, and the first part of their codes."""

    def __init__(self, name: str, refusal: str) -> None:
        self._name = name
        self._refusal = refusal
        self._late: set[asyncio.Task[Any]] = set()

    async def act(self, behaviour: Misbehaviour, act: Callable[[], Awaitable[T | Response]]) -> T | Response:
        """The answer of `act`, or what becomes of it."""
        match behaviour.mode:
            case "ok":
                return await act()
            case "slow":
                answer = await act()
                await asyncio.sleep(behaviour.delay_ms / 1000)
                return answer
            case "fail":
                return problem(503, f"{self._name}-failed", f"the {self._name} was told to fail")
            case "refuse":
                return problem(422, f"{self._name}-refused", self._refusal)
            case "drop":
                await act()
                return BrokenResponse()
            case "late":
                return await self._act_late(act, behaviour.delay_ms / 1000)

    async def _act_late(
        self, act: Callable[[], Awaitable[T | Response]], delay_seconds: float
    ) -> T | Response:
        """Act in a task of its own, which goes on when the client, and with it this request, has gone."""

        async def wait_and_act() -> T | Response:
            await asyncio.sleep(delay_seconds)
            return await act()

        task = asyncio.create_task(wait_and_act())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return await asyncio.shield(task)


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """A refusal, as RFC 9457 has it."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return JSONResponse(
        content | {"code": code, "detail": detail}, status, media_type="application/problem+json"
    )
