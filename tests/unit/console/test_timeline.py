"""The timeline as it is drawn."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.console.saga import timeline as module
from app.console.saga.segments import Course, Lane
from app.console.saga.timeline import Timeline, timeline_of
from tests.unit.console.courses import course, state
from tests.unit.workflows.family import WHO, begun, serving, start
from tests.unit.workflows.test_branches import beside
from tests.unit.workflows.test_operators import badly_undone, compensated, retrying, waiting
from tests.unit.workflows.toys import Order, do
from workflows.saga import Saga
from workflows.saga.testing import MemoryService


async def drawn(
    service: MemoryService, planned: tuple[str, ...] = (), expected: Sequence[Lane] = ()
) -> Timeline:
    now = None if (await state(service)).ended else service.now()
    found = timeline_of(await course(service), planned, now, expected)
    assert found is not None
    return found


def test_nothing_has_no_timeline() -> None:
    assert timeline_of(Course()) is None


async def test_everything_is_inside() -> None:
    for service in (await compensated(), await badly_undone(), await retrying(), await waiting()):
        timeline = await drawn(service, ("2", "1"))

        for bar in (bar for lane in timeline.lanes for bar in lane.bars):
            assert bar.width >= module.WIDTH_MIN
            assert 0 <= bar.left <= bar.left + bar.width <= 100


async def test_branches_beside_each_other_are_lanes_of_their_own() -> None:
    timeline = await drawn(await begun(beside))

    assert [(lane.step, lane.depth) for lane in timeline.lanes] == [
        ("1", 0),
        ("2.1", 1),
        ("2.2", 1),
        ("3.1", 1),
        ("3.2", 1),
        ("4", 0),
    ]
    shades = [lane.shade for lane in timeline.lanes]
    assert (shades[1], shades[3]) == (shades[2], shades[4])
    assert shades[2] != shades[3]


async def test_the_way_back_goes_from_one_compensation_to_the_next() -> None:
    async def three(saga: Saga, _order: Order) -> None:
        for tally in "abc":
            await do(saga, tally)

    service = await begun(three)
    await service.engine.compensate("s1", **WHO)
    await service.settle()

    timeline = await drawn(service)

    assert [(way.lane, way.to_lane, way.planned) for way in timeline.ways] == [(2, 1, False), (1, 0, False)]
    assert all(way.left <= way.to_left + module.WIDTH_MIN for way in timeline.ways)
    assert timeline.now is None
    assert "undo requested" in " ".join(mark.words for mark in timeline.marks)


async def test_what_is_to_be_undone_yet_is_planned_to_the_right_of_now() -> None:
    service = await badly_undone()
    service.skip(timedelta(minutes=5))
    planned = tuple(step.step for step in (await state(service)).plan())
    assert planned == ("2", "1")

    timeline = await drawn(service, planned)

    assert timeline.now == pytest.approx(90)
    [one, two] = timeline.lanes
    assert one.bars[-1].kind == two.bars[-1].kind == "planned"
    assert timeline.now < two.bars[-1].left < one.bars[-1].left
    assert [(way.lane, way.to_lane, way.planned) for way in timeline.ways] == [(1, 0, True)]


async def test_steps_to_come_are_lanes_to_the_right_of_now() -> None:
    service = await waiting()
    service.skip(timedelta(minutes=5))
    to_come = [Lane("3", "Ship", "execute"), Lane("4.1", "Tell", "call")]

    timeline = await drawn(service, expected=to_come)

    assert [(lane.step, lane.expected) for lane in timeline.lanes] == [
        ("1", False),
        ("2", False),
        ("3", True),
        ("4.1", True),
    ]
    assert timeline.now == pytest.approx(90)
    bars = [lane.bars[0] for lane in timeline.lanes[2:]]
    assert timeline.now < bars[0].left < bars[1].left
    assert {(bar.kind, bar.says, bar.came_to) for bar in bars} == {("expected", "step to come", "expected")}
    assert timeline.ways == ()


async def test_a_step_that_will_be_taken_anew_stays_in_its_lane() -> None:
    timeline = await drawn(await waiting(), expected=[Lane("2", "other", "receive")])

    assert [(lane.step, lane.expected) for lane in timeline.lanes] == [("1", False), ("2", False)]
    assert [bar.kind for bar in timeline.lanes[1].bars] == ["wait", "expected"]


async def test_a_long_wait_is_compressed_and_says_how_long_it_was() -> None:
    service = await waiting()
    service.skip(timedelta(days=3, hours=2))

    timeline = await drawn(service)

    [gap] = timeline.gaps
    assert gap.length == "3 d 2 h"
    wait = timeline.lanes[1].bars[0]
    assert (wait.kind, wait.ends, wait.lasted) == ("wait", None, "")
    assert wait.left + wait.width == pytest.approx(timeline.now)


async def test_of_very_many_steps_the_last_are_drawn() -> None:
    async def many(saga: Saga, _order: Order) -> None:
        for _ in range(module.LANES_MAX + 5):
            await do(saga, "a")

    timeline = await drawn(await begun(many))

    assert (len(timeline.lanes), timeline.left_out) == (module.LANES_MAX, 5)
    assert timeline.lanes[-1].step == str(module.LANES_MAX + 5)


async def test_a_saga_that_has_only_been_requested() -> None:
    service = serving(beside)
    await start(service)

    timeline = await drawn(service)

    assert (timeline.lanes, timeline.ways) == ((), ())
