"""Where runs can begin in this process: its slots, and those who do not wait for theirs."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from dbos import DBOS

from tests.unit.workflows.family import defined
from workflows.saga import Registry, Saga
from workflows.saga.dbos_runs import DbosRuns
from workflows.saga.state import SagaState


async def one_step(_saga: Saga, _order: Any) -> None: ...


async def nothing(*_arguments: Any) -> None: ...


async def never() -> SagaState:
    raise AssertionError


async def start(_name: str, _time: datetime) -> None: ...


async def test_one_who_is_gone_before_dbos_has_answered_frees_the_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_answer(*_arguments: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(DBOS, "start_workflow_async", no_answer)
    definition = defined(one_step)
    runs = DbosRuns("postgresql://", "e1", Registry([definition]), [], nothing, start, slots=2)
    runs._functions["saga"], runs._taking = nothing, True
    asked = [asyncio.create_task(runs.begin(definition, saga_id, never)) for saga_id in ("s1", "s2")]
    await asyncio.sleep(0)
    assert not runs.takes(definition)

    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)

    assert runs.takes(definition)
