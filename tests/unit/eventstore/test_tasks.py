"""A task that is told to end does so, even when what it waits for forgets the first word."""

import asyncio

import pytest

from eventstore import tasks
from eventstore.tasks import end


async def test_a_cancellation_that_is_forgotten_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.01)
    forgotten = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            forgotten.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await end(task)

    assert forgotten.is_set()
    assert task.cancelled()


async def test_a_task_that_has_ended_is_left_as_it_is() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "result"))
    await task
    await end(task)

    assert task.result() == "result"
