"""Sagas go on though the commands and calls that they have recorded look otherwise today."""

import pytest

from tests.unit.workflows import tomorrow
from tests.unit.workflows.family import go, status, why_stuck
from tests.unit.workflows.tomorrow import COUNTERS, UNPOST, Do, Letter, TakeBack
from tests.unit.workflows.toys import (
    ONCE,
    SEND,
    TALLIES,
    UNSEND,
    Message,
    Order,
    Remote,
    do,
)
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.preview import preview
from workflows.saga.testing import Killed, MemoryService


async def today(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.call(SEND, Message(text="x"), compensate=UNSEND.of(Message(text="x")), retry=ONCE)
    await saga.receive("go", Message)


async def waiting(remote: Remote) -> MemoryService:
    """A saga of today's code that waits for a signal; tomorrow's code goes on with it."""
    definition = SagaDefinition("saga", today, Order, signals={"go": Message})
    service = MemoryService(TALLIES, [definition], remote.calls())
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.settle()
    assert await status(service) == "waiting"
    service.deploy(COUNTERS, [tomorrow.definition()], tomorrow.calls(remote))
    return service


async def test_an_open_saga_goes_on_in_new_words() -> None:
    service = await waiting(Remote())

    await go(service)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "completed"
    assert outcome.result == ["Done", "Noted"]  # its first step was stored as one event
    assert outcome.commands == [Do(counter="a"), Letter(body="x"), Do(counter="b")]


async def test_its_compensations_run_in_new_words() -> None:
    remote = Remote()
    service = await waiting(remote)

    await service.engine.compensate("s1", actor="ana", reason="no")
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "compensated"
    assert outcome.compensations == [Letter(body="x"), TakeBack(counter="a")]
    assert [event.type for event in await service.stream("tally-a")] == ["Done", "TakenBack"]
    assert remote.sent == {}


async def test_a_preview_says_what_would_run_today() -> None:
    service = await waiting(Remote())

    seen = await preview(service.store, service.codec, "s1")

    by_call, by_command = seen.commands
    assert by_call.problem is by_command.problem is None
    assert (by_command.name, by_command.data) == ("TakeBack", {"counter": "a"})


async def test_other_data_is_nondeterminism_as_before() -> None:
    service = await waiting(Remote())

    async def other(saga: Saga, _order: Order) -> None:
        await saga.execute(Do(counter="other"), compensate=NOTHING)

    service.deploy(COUNTERS, [tomorrow.definition(other)], tomorrow.calls(Remote()))
    await go(service)
    await service.settle()

    stuck = await why_stuck(service)
    assert stuck == (
        "nondeterminism: step 1 was recorded as Do {'tally': 'a'},"
        " the code now asks for Do {'counter': 'other'}"
    )


async def test_the_schema_versions_are_in_the_journal() -> None:
    service = await waiting(Remote())
    await go(service)
    await service.settle()

    steps = [event.data for event in await service.stream("saga-s1") if event.type == "StepSucceeded"]
    by_name = {step["name"]: step for step in steps if step["kind"] == "execute"}
    assert by_name["Do"]["command_version"] == 2
    assert "command_version" not in steps[0]  # the first version is not written


async def test_a_call_in_doubt_is_sent_again_in_new_words_under_its_key() -> None:
    remote = Remote()
    service = MemoryService(
        TALLIES, [SagaDefinition("saga", today, Order, signals={"go": Message})], remote.calls()
    )

    async def die(_key: str) -> None:
        raise Killed

    async def twice(saga: Saga, order: Order) -> None:
        await saga.execute(Do(counter="a"), compensate=TakeBack(counter="a"))
        await saga.call(tomorrow.POST, Letter(body="x"), compensate=UNPOST.of(Letter(body="x")))

    remote.before_send = die
    await service.engine.start("saga", Order(), saga_id="s1")
    run = service.enqueued[0].request["id"]
    with pytest.raises(Killed):
        await service.execute(run)
    service.deploy(COUNTERS, [tomorrow.definition(twice)], tomorrow.calls(Remote()))
    await service.settle()

    assert (await service.outcome()).status == "completed"
    announced = [event.data for event in await service.stream("saga-s1") if event.type == "StepStarted"]
    assert [entry["name"] for entry in announced] == ["send", "post"]


async def test_code_of_before_does_not_misread_what_newer_code_has_stored() -> None:
    """A deployment is taken back."""
    remote = Remote()
    service = MemoryService(COUNTERS, [tomorrow.definition()], tomorrow.calls(remote))
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.settle()

    service.deploy(TALLIES, [SagaDefinition("saga", today, Order, signals={"go": Message})], remote.calls())
    await go(service)
    await service.settle()

    stuck = await why_stuck(service)
    assert "Do {'counter': 'a'} (version 2)" in stuck
    assert "Do version 2 is newer than version 1, the last one that this code knows" in stuck
    service.deploy(COUNTERS, [tomorrow.definition()], tomorrow.calls(remote))
    await service.engine.resume("s1", actor="ana", reason="the right code is back")
    await service.settle()
    assert (await service.outcome()).status == "completed"
