"""How long sagas rest when their process is killed: real servers, `kill -9`, and a start."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from app.bench.measure import MeasurementFailed
from app.demo.server_process import ServerProcess
from app.server import bind

BATCH: Final = 64
ACCOUNTS: Final = 40
SECONDS_MAX: Final = 300.0
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Recovery:
    """Of so many sagas under way: seconds from the start of the new process until it is ready, until the
    first of them moves, and until all have ended."""

    sagas: int
    ready_seconds: float
    first_step_seconds: float
    all_done_seconds: float


async def recovery(
    environment: Mapping[str, str], log: Path, end_of_log: Callable[[], Awaitable[int]], sagas: int
) -> Recovery:
    """`end_of_log` is asked while no server runs. Raises MeasurementFailed, ServerFailed."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    server = ServerProcess("127.0.0.1", port, log, environment)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            names = await _begin(http, server, sagas)
            position = await end_of_log()
            began = time.perf_counter()
            await server.start()
            ready = time.perf_counter() - began
            async with asyncio.timeout(SECONDS_MAX):
                await _until(lambda: _moved_or_ended(http, position, names))
                first = time.perf_counter() - began
                if not await _moved(http, position):
                    raise MeasurementFailed("all sagas had ended before their server was killed")
                await _until(lambda: _all_ended(http, names))
            return Recovery(sagas, ready, first, time.perf_counter() - began)
    except TimeoutError:
        raise MeasurementFailed(f"not all sagas had ended {SECONDS_MAX:g} s after the start") from None
    finally:
        await server.stop()


async def _begin(http: httpx.AsyncClient, server: ServerProcess, sagas: int) -> list[str]:
    """Transfers whose server is killed as soon as all of them are recorded: most have not ended."""
    for number in range(ACCOUNTS):
        account = f"bench-recovery-{number}"
        await _post(http, f"/aggregates/account/{account}/open-account", {"currency": "USD"})
        await _post(http, f"/aggregates/account/{account}/deposit", {"money": _money(10_000)})
    names = [f"bench-recovery-{number}" for number in range(sagas)]
    asked = [{"id": name, "input": _transfer(number)} for number, name in enumerate(names)]
    batches = [asked[first : first + BATCH] for first in range(0, sagas, BATCH)]
    starting = [
        asyncio.create_task(_post(http, "/sagas/transfer-funds/batch", {"sagas": batch})) for batch in batches
    ]
    try:
        async with asyncio.timeout(SECONDS_MAX):
            for last in (*names[BATCH - 1 :: BATCH], names[-1]):
                await _until(partial(_is_there, http, last))  # an answer would come when few are left
        await server.kill()
    finally:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
    return names


async def _is_there(http: httpx.AsyncClient, name: str) -> bool:
    return (await http.get(f"/sagas/{name}")).is_success


def _transfer(number: int) -> dict[str, Any]:
    source, target = number % ACCOUNTS, (number + 1) % ACCOUNTS
    return {
        "source": f"bench-recovery-{source}",
        "target": f"bench-recovery-{target}",
        "money": _money(1),
    }


def _money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


async def _post(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    (await http.post(path, json=body)).raise_for_status()


async def _until(so: Callable[[], Awaitable[bool]]) -> None:
    while not await so():  # noqa: ASYNC110 - it is so in another process
        await asyncio.sleep(POLL_SECONDS)


async def _moved(http: httpx.AsyncClient, position: int) -> bool:
    """Whether something was recorded after `position`."""
    answer = await http.get("/events", params={"after": position, "limit": 1})
    return bool(answer.raise_for_status().json()["events"])


async def _moved_or_ended(http: httpx.AsyncClient, position: int, names: list[str]) -> bool:
    return await _moved(http, position) or await _all_ended(http, names)


async def _all_ended(http: httpx.AsyncClient, names: list[str]) -> bool:
    """Those that have ended are taken off the list."""
    while names:
        saga = (await http.get(f"/sagas/{names[-1]}")).raise_for_status().json()
        if saga["ended_at"] is None:
            return False
        if saga["status"] != "completed":
            raise MeasurementFailed(f"saga {names[-1]} is {saga['status']}")
        names.pop()
    return True
