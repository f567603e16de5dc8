"""Signals: early, late, twice, side by side, and those that are refused."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.workflows.family import WHO, begun, go, serving, start, status, why_stuck
from tests.unit.workflows.toys import Message, Order, Undo, do
from workflows.saga import Saga
from workflows.saga.errors import NotPossible, SignalConflict, UnknownSignal
from workflows.saga.journal import SignalReceived, StepSucceeded
from workflows.saga.shapes import journal_shape
from workflows.saga.state import SIGNALS_KNOWN_MAX, SagaState, read_state
from workflows.saga.testing import MemoryService

DAY = timedelta(days=1)


async def twice(saga: Saga, _order: Order) -> list[str]:
    first = await saga.receive("go", Message)
    second = await saga.receive("go", Message)
    return [first.text, second.text]


async def timed(saga: Saga, _order: Order) -> str:
    said = await saga.receive("go", Message, timeout=DAY)
    await do(saga, "a")
    return said.text if said else "nobody"


@pytest.mark.parametrize("early", [0, 1, 2])
async def test_each_is_taken_once_in_the_order_of_their_coming(early: int) -> None:
    service = serving(twice)
    await start(service)
    for number, text in enumerate(("one", "two")):
        if number == early:
            await service.settle()
        await go(service, text)
    await service.settle()

    assert (await service.outcome()).result == ["one", "two"]


async def test_two_steps_side_by_side_take_one_each() -> None:
    async def beside(saga: Saga, _order: Order) -> list[str]:
        heard = await saga.gather(saga.receive("go", Message), saga.receive("go", Message))
        return [message.text for message in heard]

    service = await begun(beside)
    await go(service, "one")
    await service.settle()
    assert await status(service) == "waiting"
    await go(service, "two")
    await service.settle()

    assert (await service.outcome()).result == ["one", "two"]


async def test_a_signal_that_comes_with_the_timeout_on_its_way_counts() -> None:
    service = serving(timed)
    await start(service)
    await service.run_next()

    async def signal_first(_number: int) -> None:
        del service.store.before_append
        await go(service, "just in time")

    service.store.before_append = signal_first
    await service.settle()

    assert (await service.outcome()).result == "just in time"


async def test_a_signal_that_comes_while_the_saga_parks_is_taken_at_once() -> None:
    service = serving(timed)
    await start(service)

    async def signal_before_parking(number: int) -> None:
        if number == 3:  # requested, the wait begun, about to park
            del service.store.before_append
            await go(service, "meanwhile")

    service.store.before_append = signal_before_parking
    await service.run_next()

    outcome = await service.outcome()
    assert (outcome.result, "Parked" in outcome.entries) == ("meanwhile", False)


async def test_a_late_one_is_refused_when_the_saga_has_ended() -> None:
    service = await begun(timed)
    assert (await service.outcome()).result == "nobody"

    with pytest.raises(NotPossible, match="completed"):
        await go(service)


async def test_the_same_id_counts_once_and_belongs_to_one_signal() -> None:
    service = await begun(twice)

    await go(service, "one", id="1")
    await go(service, "one", id="1")
    await service.settle()
    with pytest.raises(SignalConflict):
        await go(service, "other", id="1")
    with pytest.raises(SignalConflict):
        await go(service, "one", id="1", signal="stop")

    outcome = await service.outcome()
    assert (outcome.status, outcome.entries.count("SignalReceived")) == ("waiting", 1)


async def test_a_saga_that_compensates_takes_none() -> None:
    async def fails(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.receive("go", Message)

    service = await begun(fails, refuse=lambda command: isinstance(command, Undo))
    await service.engine.compensate("s1", **WHO)
    with pytest.raises(NotPossible, match="compensating"):
        await go(service)
    await service.settle()
    with pytest.raises(NotPossible, match="stuck"):
        await go(service)


async def test_a_saga_that_is_stuck_going_forward_keeps_it_for_later() -> None:
    broken = [True]

    async def breaks(saga: Saga, _order: Order) -> str:
        await do(saga, "a")
        if broken:
            raise ZeroDivisionError
        return (await saga.receive("go", Message)).text

    service = await begun(breaks)
    await go(service, "kept")
    await service.settle()
    assert "ZeroDivisionError" in await why_stuck(service)

    broken.clear()
    await service.engine.resume("s1", **WHO)
    await service.settle()

    assert (await service.outcome()).result == "kept"


@pytest.mark.parametrize(
    ("signal", "data", "error"),
    [("nowhere", {}, UnknownSignal), ("go", {"text": 1}, ValidationError), ("go", "text", ValidationError)],
)
async def test_what_the_definition_does_not_declare_is_refused(
    signal: str, data: Any, error: type[Exception]
) -> None:
    service = await begun(twice)

    with pytest.raises(error):
        await service.engine.signal("s1", signal, data, actor="ana")
    assert "SignalReceived" not in (await service.outcome()).entries


async def test_a_receive_that_is_not_declared_makes_the_saga_stuck() -> None:
    async def undeclared(saga: Saga, _order: Order) -> None:
        await saga.receive("nowhere", Message)

    assert "must declare signals={'nowhere': Message}" in await why_stuck(await begun(undeclared))


async def test_no_time_at_all_takes_what_is_there() -> None:
    async def polls(saga: Saga, _order: Order) -> list[bool]:
        return [
            await saga.receive("go", Message, timeout=timedelta()) is not None,
            await saga.receive("stop", Message, timeout=timedelta()) is not None,
        ]

    service: MemoryService = serving(polls)
    await start(service)
    await go(service)
    await service.settle()

    assert (await service.outcome()).result == [True, False]


async def test_ten_thousand_are_known_again_and_none_by_its_data() -> None:
    async def forever(saga: Saga, _order: Order) -> None:
        await saga.receive("go", Message)

    service = await begun(forever)
    state = await read_state(service.store, service.engine.codec, "s1")
    assert state is not None

    for number in range(SIGNALS_KNOWN_MAX + 1):
        told = {"signal": "go", "id": f"i{number}", "data": {"text": "x" * 1000}, "actor": "ana", "run": None}
        state.apply(SignalReceived.model_validate(told), state.version + 1, service.now())
        taken = StepSucceeded(step="1", kind="receive", name="go", signal=f"i{number}")
        state.apply(taken, state.version + 1, service.now())

    assert (len(state.signal_digests), "i0" in state.signal_digests) == (SIGNALS_KNOWN_MAX, False)
    assert len(journal_shape(SagaState).dump(state)) < 1_000_000
