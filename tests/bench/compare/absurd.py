"""Absurd: a task of five steps, each with one INSERT, on as many workers as serve it best here."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from app.bench.measure import Rate, closed_loop
from app.postgres_tools import PROGRAMS
from eventstore.connections import store_pool
from tests.bench.compare.contestant import INSERT, STEPS, compete, make_table, not_installed

try:
    from absurd_sdk import AsyncAbsurd, AsyncTaskContext
except ImportError:
    not_installed()

WORKERS: Final = 4
POLL_SECONDS: Final = 0.005
QUEUE: Final = "compare"


def initialize(url: str) -> None:
    absurdctl = Path(sys.executable).with_name("absurdctl")
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "ABSURD_DATABASE_URL": url, "PATH": path}
    for command in (["init"], ["create-queue", QUEUE]):
        subprocess.run([absurdctl, *command], env=env, check=True, capture_output=True)


async def run(url: str, clients: int, seconds: float) -> Rate:
    make_table(url)
    initialize(url)
    ended: dict[str, asyncio.Event] = {}
    async with store_pool(url, 16) as pool:

        def worker() -> AsyncAbsurd:
            absurd = AsyncAbsurd(url, queue_name=QUEUE)

            @absurd.register_task("five")
            async def five(params: Any, context: AsyncTaskContext) -> None:
                name = params["name"]
                for step in range(STEPS):
                    await context.step(str(step), lambda step=step: insert(name, step))
                ended[name].set()

            return absurd

        async def insert(name: str, step: int) -> None:
            async with pool.connection() as connection:
                await connection.execute(INSERT, (name, step))

        client = AsyncAbsurd(url, queue_name=QUEUE)
        client.register_task("five")(lambda _params, _context: asyncio.sleep(0))
        workers = [worker() for _ in range(min(WORKERS, clients))]
        concurrency = max(1, clients // len(workers))
        working = [
            asyncio.create_task(each.start_worker(concurrency=concurrency, poll_interval=POLL_SECONDS))
            for each in workers
        ]
        spawning = asyncio.Lock()

        async def ask() -> None:
            name = str(uuid4())
            ended[name] = asyncio.Event()
            async with spawning:  # one connection
                await client.spawn("five", {"name": name})
            await ended[name].wait()
            del ended[name]

        try:
            return await closed_loop(ask, clients, seconds)
        finally:
            for each in workers:
                each.stop_worker()
            await asyncio.gather(*working)
            for each in (client, *workers):
                await each.close()


if __name__ == "__main__":
    compete(run)
