"""How a task that runs for ever is ended."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.5


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended.

    Once is not enough before Python 3.12: `asyncio.wait_for`, by which a pool waits for a connection, forgets
    a cancellation that comes together with what it waited for.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)
