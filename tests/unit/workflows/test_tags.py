"""Search attributes: bounded, the later value counts, and a replay writes none again."""

from typing import Any

import pytest

from tests.unit.workflows.family import begun, go, status, why_stuck
from tests.unit.workflows.toys import TALLIES, Message, Order, do
from workflows.saga import Saga, SagaDefinition
from workflows.saga.testing import MemoryService, killed_at


async def tagged(saga: Saga, order: Order) -> None:
    saga.tag(customer="ana", region="north")
    await do(saga, "a")
    saga.tag(region="south")
    await do(saga, "b")


async def test_the_later_value_of_a_name_counts() -> None:
    outcome = await (await begun(tagged)).outcome()

    assert outcome.saga.attributes == {"customer": "ana", "region": "south"}


async def test_those_of_the_definition_are_there_from_the_start() -> None:
    definition = SagaDefinition("saga", tagged, Order, attributes=lambda order: {"order": order.name})
    service = MemoryService(TALLIES, [definition])
    await service.engine.start("saga", Order(), saga_id="s1")

    assert (await service.engine.view("s1")).attributes == {"order": "order"}
    await service.settle()
    assert set((await service.engine.view("s1")).attributes) == {"order", "customer", "region"}


@pytest.mark.parametrize("append", range(2, 5))
async def test_a_replay_writes_none_again(append: int) -> None:
    service = MemoryService(TALLIES, [SagaDefinition("saga", tagged, Order)])
    service.store.after_append = killed_at(append)

    outcome = await service.run_saga("saga", Order())

    assert outcome.entries.count("Tagged") == 2
    assert outcome.saga.attributes == {"customer": "ana", "region": "south"}


async def test_a_tag_without_a_step_after_it_is_written_with_the_end() -> None:
    async def last(saga: Saga, _order: Order) -> None:
        saga.tag(done="yes")

    outcome = await (await begun(last)).outcome()

    assert outcome.saga.attributes == {"done": "yes"}


@pytest.mark.parametrize(
    ("attributes", "rule"),
    [
        ({"a b": "x"}, "1 to 60 characters"),
        ({"a" * 61: "x"}, "1 to 60 characters"),
        ({"a": "x" * 201}, "at most 200 characters"),
        ({"a": "two\nlines"}, "a line"),
        ({"a": 1}, "a line"),
        ({f"a{number}": "x" for number in range(21)}, "at most 20 attributes, not 21"),
    ],
)
async def test_what_breaks_a_bound_makes_the_saga_stuck(attributes: dict[str, Any], rule: str) -> None:
    async def tags(saga: Saga, _order: Order) -> None:
        saga.tag(**attributes)

    assert rule in await why_stuck(await begun(tags))


@pytest.mark.parametrize("steps_between", [True, False])
async def test_the_bound_holds_for_all_of_them_together(steps_between: bool) -> None:
    async def tags(saga: Saga, _order: Order) -> None:
        for number in range(21):
            saga.tag(**{f"a{number}": "x"})
            if steps_between:
                await do(saga, "a")
        await do(saga, "a")

    service = await begun(tags)

    assert "at most 20 attributes, not 21" in await why_stuck(service)
    assert len((await service.engine.view("s1")).attributes) <= 20


async def test_a_tag_while_it_waits_is_listed_while_it_waits() -> None:
    async def waits(saga: Saga, _order: Order) -> None:
        saga.tag(waits="yes")
        await saga.receive("go", Message)

    service = await begun(waits)
    assert (await service.engine.view("s1")).attributes == {"waits": "yes"}

    await go(service)
    await service.settle()
    assert await status(service) == "completed"
