"""Tells pages that something was written: they read again what they show, each through its own address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.api.requests import RuntimeOf, Stopping
from app.api.watch import HEARTBEAT_SECONDS, RETRY, STREAM_HEADERS, stops_within
from app.commits import Commits
from app.security.rules import CONSOLE

LIVE: Final = f"{CONSOLE}/live"
SETTLE_SECONDS: Final = 0.3
"""So long after a commit: the read models have taken it in as a rule."""
REST_SECONDS: Final = 2.0
"""Between two messages, however much is written."""
LOOK_SECONDS: Final = 1.0
"""How soon a stopping server ends the stream."""
CHANGED: Final = b"event: changed\ndata: 1\n\n"

router = APIRouter(include_in_schema=False)


@router.get(LIVE)
async def live(runtime: RuntimeOf, stopping: Stopping) -> StreamingResponse:
    """Server-sent events named `changed`, which say nothing else."""
    return StreamingResponse(
        changes(runtime.commits, stopping), media_type="text/event-stream", headers=STREAM_HEADERS
    )


async def changes(commits: Commits, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    """One message for all commits of a while, and one now and then though nobody has committed: time passes,
    and what is read may have been behind."""
    clock = asyncio.get_running_loop().time
    committed = commits.event()
    try:
        yield RETRY
        spoke_at = clock()
        while not stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await committed.wait()
            if not committed.is_set() and clock() - spoke_at < HEARTBEAT_SECONDS:
                continue
            if await stops_within(SETTLE_SECONDS, stopping):
                return
            committed.clear()
            yield CHANGED
            spoke_at = clock()
            if await stops_within(REST_SECONDS, stopping):
                return
    finally:
        commits.forget(committed)
