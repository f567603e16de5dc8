"""The buttons of a saga are those that its engine would take."""

from typing import Any

import pytest

from app.console.saga.permitted import permitted
from tests.unit.console.courses import state
from tests.unit.workflows.family import begun
from tests.unit.workflows.test_operators import STATES, completed, waiting
from tests.unit.workflows.toys import Order, do
from workflows.saga import Saga


@pytest.mark.parametrize("made", STATES, ids=lambda made: made.__name__)
async def test_what_is_offered_is_taken_and_nothing_else(made: Any) -> None:
    offered = permitted(await state(await made()), ["go"])

    ends = {name for name in STATES[made] if STATES[made][name] != made.__name__}
    assert {name for name in ("retry", "resume", "skip", "abandon") if getattr(offered, name)} == ends
    assert offered.undo == (made.__name__ != "compensated")
    assert bool(offered.signals) == (made.__name__ in ("queued", "waiting", "retrying", "stuck"))


async def test_it_can_go_back_to_steps_after_which_something_is_to_be_undone() -> None:
    assert [step.step for step in permitted(await state(await completed()), []).back_to] == ["1"]
    assert permitted(await state(await waiting()), []).back_to == []


async def test_what_blocks_the_undoing_is_said() -> None:
    async def pivots(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        saga.pivot()
        await do(saga, "b")

    offered = permitted(await state(await begun(pivots)), [])

    assert offered.undo
    assert "passed its pivot" in offered.blocks[0]
