"""What a saga did when, as its journal tells it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.console.saga.segments import course_of
from tests.unit.console.courses import course, told
from tests.unit.workflows.family import WHO, begun, defined, go, serving, start
from tests.unit.workflows.test_operators import badly_undone, retrying
from tests.unit.workflows.toys import (
    AWAY,
    UNSEND,
    Message,
    Order,
    Remote,
    do,
    failing,
    refusing,
    send,
)
from workflows.saga import Saga, journal

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_each_attempt_of_a_call_and_the_pause_before_the_next_one_are_seen() -> None:
    service = await retrying()
    assert told(await course(service))["2"] == [("attempt", "failed"), ("pause", "open")]

    await service.settle()

    call = (await course(service)).lanes["2"]
    assert [(each.kind, each.outcome, each.attempt) for each in call.segments] == [
        ("attempt", "failed", 1),
        ("pause", "over", 0),
        ("attempt", "succeeded", 2),
    ]
    begins, ends = call.segments[1].begins, call.segments[1].ends
    assert ends is not None
    assert ends - begins >= timedelta(seconds=30)


def test_an_attempt_that_another_one_follows_without_an_outcome_is_cut_off() -> None:
    asked: dict[str, Any] = {"step": "1", "name": "send", "argument": {}, "timeout_seconds": 10}
    entries = [journal.StepStarted(**asked, attempt=attempt, compensation=None) for attempt in (1, 2)]

    found = course_of((START + timedelta(seconds=each.attempt), each) for each in entries)

    assert told(found) == {"1": [("attempt", "lost"), ("attempt", "open")]}


async def test_a_wait_ends_with_its_signal_or_its_time() -> None:
    async def waits(saga: Saga, _order: Order) -> None:
        await saga.receive("go", Message)
        await saga.receive("stop", Message, timeout=timedelta(days=1))
        await saga.sleep(timedelta(hours=1))

    service = await begun(waits)
    assert told(await course(service)) == {"1": [("wait", "open")]}
    await go(service)
    await service.settle()

    assert told(await course(service)) == {
        "1": [("wait", "succeeded")],
        "2": [("wait", "timed-out")],
        "3": [("wait", "succeeded")],
    }


async def test_compensation_is_told_in_the_order_it_ran() -> None:
    async def three(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await send(saga)
        await do(saga, "b")

    service = await begun(three, refuse=refusing("b"))

    found = await course(service)
    assert told(found) == {
        "1": [("act", "succeeded"), ("undo", "succeeded")],
        "2": [("attempt", "succeeded"), ("undo", "succeeded")],
        "3": [("act", "rejected")],
    }
    assert [each.step for each in found.undone] == ["2", "1"]
    assert [marker.word for marker in found.markers] == ["compensation", "compensated"]


async def test_a_compensation_that_fails_pauses_and_is_tried_again() -> None:
    remote = Remote()
    remote.before_unsend = failing(AWAY, None)

    async def two(saga: Saga, _order: Order) -> None:
        await send(saga, undo=UNSEND.of(Message()))
        await do(saga, "b")

    service = await begun(two, calls=remote.calls(), refuse=refusing("b"))

    assert told(await course(service))["1"] == [
        ("attempt", "succeeded"),
        ("undo", "failed"),
        ("undo-pause", "over"),
        ("undo", "succeeded"),
    ]


async def test_what_was_left_out_is_told() -> None:
    service = await badly_undone()
    await service.engine.skip("s1", step="2", **WHO)
    await service.settle()

    found = await course(service)

    assert told(found) == {
        "1": [("act", "succeeded"), ("undo", "succeeded")],
        "2": [("act", "succeeded"), ("undo", "failed"), ("undo", "skipped")],
    }
    assert [each.step for each in found.undone] == ["2", "2", "1"]


async def test_a_child_takes_until_it_ends() -> None:
    async def part(saga: Saga, _order: Order) -> None:
        await saga.receive("go", Message)

    async def whole(saga: Saga, _order: Order) -> None:
        await saga.start(defined(part, "part"), Order())

    service = serving(whole, defined(part, "part"))
    await start(service)
    await service.settle()
    assert told(await course(service)) == {"1": [("child", "open")]}
    child = (await service.engine.view("s1")).steps[0].saga_id or ""
    await service.engine.signal(child, "go", {}, actor="ana")
    await service.settle()

    assert told(await course(service)) == {"1": [("child", "succeeded")]}
