"""Loops that go on whatever one of their rounds runs into."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)


async def periodically(name: str, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Do `action` now and then every `seconds` until cancelled.

    A round that fails is logged, and the next one comes: these loops repair what else went wrong.
    """
    while True:
        try:
            await action()
        except Exception as error:
            log.warning("round failed, will try again", loop=name, error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(seconds)
