"""Loops that go on whatever one of their rounds runs into."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from eventstore.following import passes

BEGIN_SECONDS_MAX: Final = 30.0
"""A frozen process holds its locks until the server ends its session, after ten seconds or twelve."""
AGAIN_SECONDS: Final = 0.5

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


async def persistently(name: str, action: Callable[[], Awaitable[None]]) -> None:
    """Do `action` once, again for a while as long as what it runs into passes by itself.

    Raises what it ran into at last, or what does not pass.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + BEGIN_SECONDS_MAX
    while True:
        try:
            return await action()
        except Exception as error:
            if not passes(error) or clock() > until:
                raise
            log.warning("not begun yet, will try again", what=name, error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(AGAIN_SECONDS)
