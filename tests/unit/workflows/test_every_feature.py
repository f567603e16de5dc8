"""One saga that uses every feature, killed before and after every append: as if nothing had happened.

Forward to its end, and refused late so that all of it is undone.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from domain import Rejected
from tests.unit.workflows.family import SIGNALS, WHO
from tests.unit.workflows.test_resolver import Asked
from tests.unit.workflows.toys import (
    ATTEMPTS,
    TALLIES,
    TWICE,
    UNSEND,
    Do,
    History,
    Message,
    Order,
    counts,
    do,
    histories,
    refusing,
    send,
)
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.testing import Killed, MemoryService, killed_at

DAY = timedelta(days=1)


async def grandchild(saga: Saga, _order: Order) -> str:
    await do(saga, "grandchild")
    await saga.sleep(DAY)
    return saga.id


GRANDCHILD = SagaDefinition("grandchild", grandchild, Order)


async def child(saga: Saga, _order: Order) -> str:
    await do(saga, "child")
    result: str = await saga.start(GRANDCHILD, Order())
    return result


CHILD = SagaDefinition("child", child, Order)


async def alone(saga: Saga, _order: Order) -> None:
    await do(saga, "alone")


ALONE = SagaDefinition("alone", alone, Order)


async def hearing(saga: Saga) -> str:
    await do(saga, "hearing")
    heard = await saga.receive("go", Message)
    late = await saga.receive("stop", Message, timeout=DAY)
    return f"{heard.text} {late}"


async def careful(saga: Saga) -> None:
    with suppress(Rejected):
        await saga.gather(do(saga, "refused"), do(saga, "beside"))
    await saga.gather(saga.branch(nested), do(saga, "careful"))


async def nested(saga: Saga) -> None:
    await do(saga, "nested")
    saga.now()


async def everything(saga: Saga, order: Order) -> str:
    saga.tag(round=order.name)
    if order.name == "order":
        await saga.execute(Do(tally="first round"), compensate=NOTHING)
        await saga.start(ALONE, Order(), detached=True)
        saga.continue_as(Order(name="again"))
    saga.uuid()
    await do(saga, "begins")
    heard, *_ = await saga.gather(
        saga.branch(hearing), saga.start(CHILD, Order()), saga.branch(careful), send(saga, TWICE)
    )
    await saga.sleep_until(saga.now() + DAY)
    await saga.call(UNSEND, Message(), compensate=NOTHING)
    await do(saga, "last")
    saga.pivot()
    await saga.execute(Do(tally="past the pivot"))
    await saga.start(GRANDCHILD, Order())
    return str(heard)


def service_for(remote: Asked, *refused: str) -> MemoryService:
    saga = SagaDefinition("saga", everything, Order, signals=SIGNALS)
    sagas = [saga, CHILD, GRANDCHILD, ALONE]
    return MemoryService(TALLIES, sagas, remote.calls(), refuse=refusing("refused", *refused))


async def persistently(service: MemoryService, act: Any) -> None:
    """Whoever got no answer asks again."""
    try:
        await act()
    except Killed:
        await act()


async def run(service: MemoryService) -> dict[str, History]:
    engine = service.engine
    await persistently(service, lambda: engine.start("saga", Order(), saga_id="s1"))
    await service.settle()
    await persistently(
        service, lambda: engine.signal("s1", "go", {"text": "go"}, signal_id="go-1", actor="ana")
    )
    await service.settle()
    return {stream: _comparable(entries) for stream, entries in (await histories(service)).items()}


UNEVEN = frozenset({"delay_seconds", "value", "until", "result", "run", "reason"})
"""Measured, made up, or different when one run more was needed."""


def _comparable(entries: History) -> History:
    """Without what a repeated attempt, or one wait more, adds; and steps side by side in any order."""
    kept = [
        (name, {key: value for key, value in data.items() if key not in UNEVEN})
        for name, data in entries
        if name not in ATTEMPTS
    ]
    return sorted(kept, key=str)


@pytest.mark.slow
@pytest.mark.parametrize("refused", [(), ("last",)], ids=["forward", "undone"])
@pytest.mark.parametrize("when", ["before_append", "after_append"])
async def test_it_ends_like_an_undisturbed_one(refused: tuple[str, ...], when: str) -> None:
    remote = Asked()
    undisturbed = service_for(remote, *refused)
    expected = await run(undisturbed)
    outcome = await undisturbed.outcome()
    assert outcome.status == ("abandoned" if refused else "completed"), outcome.saga.stuck
    tallies = await counts(undisturbed)
    appends = undisturbed.store.appends
    assert appends > 40

    for append in range(1, appends + 1):
        again = Asked()
        service = service_for(again, *refused)
        setattr(service.store, when, killed_at(append))

        assert await run(service) == expected, f"{when} {append}"
        assert await counts(service) == tallies, f"{when} {append}"
        assert again.sent.keys() == remote.sent.keys(), f"{when} {append}"


@pytest.mark.slow
async def test_it_can_be_undone_by_force_when_it_has_completed() -> None:
    service = service_for(Asked())
    await run(service)

    await service.engine.compensate("s1", force=True, **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "abandoned"
    left = {tally for tally, count in (await counts(service)).items() if count}
    assert left == {"first round", "past the pivot", "alone"}
