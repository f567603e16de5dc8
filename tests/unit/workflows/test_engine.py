"""What users ask of sagas: start one once, look at one, wait for one."""

import asyncio
from functools import partial

import pytest
from pydantic import ValidationError

from eventstore import Batch
from tests.unit.workflows.toys import CODEC, Order, do, request, service_of
from workflows.saga import Saga, SagaView, journal, operations
from workflows.saga.errors import InvalidSagaId, SagaConflict, SagaMoved, SagaNotFound, UnknownSaga
from workflows.saga.runs import RUNS_TAKEN_MAX, SHARED, run_number, run_request


async def one_step(saga: Saga, _order: Order) -> dict[str, str]:
    await do(saga, "a")
    return {"done": "a"}


async def test_the_same_request_again_is_the_same_saga() -> None:
    service = service_of(one_step)
    first = await service.engine.start("saga", Order(), saga_id="s1")
    await service.settle()

    again = await service.engine.start("saga", {"name": "order"}, saga_id="s1")

    assert (first.created, again.created) == (True, False)
    assert again.saga.status == "completed"
    assert service.enqueued == []


async def test_many_requests_at_once_make_one_saga_and_one_run() -> None:
    service = service_of(one_step)

    started = await asyncio.gather(*(service.engine.start("saga", Order(), saga_id="s1") for _ in range(9)))

    assert [each.created for each in started].count(True) == 1
    assert len(service.enqueued) == 1


async def test_the_same_id_with_another_input_is_a_conflict() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(), saga_id="s1")

    with pytest.raises(SagaConflict, match="'s1' is taken by a saga saga with another input"):
        await service.engine.start("saga", Order(name="other"), saga_id="s1")


async def test_a_run_that_never_came_to_its_journal_is_in_nobodys_way() -> None:
    service = service_of(one_step)
    entry = CODEC.encode(journal.RunNamed(run=1, reason="left over"), {})
    await service.store.append(
        [Batch("saga-other", 0, [entry])], attachment=run_request(SHARED, "saga", "s1", 1)
    )

    started = await service.engine.start("saga", Order(), saga_id="s1")
    await service.settle()

    assert started.created
    outcome = await service.outcome("s1")
    assert (outcome.status, getattr(outcome.journal[0], "run", None)) == ("completed", 2)


async def test_ids_of_which_too_many_runs_are_left_are_a_conflict() -> None:
    service = service_of(one_step)
    for run in range(1, RUNS_TAKEN_MAX + 1):
        entry = CODEC.encode(journal.RunNamed(run=run, reason="left over"), {})
        left = run_request(SHARED, "saga", "s1", run)
        await service.store.append([Batch(f"saga-other-{run}", 0, [entry])], attachment=left)

    with pytest.raises(SagaConflict, match="runs of s1 are left"):
        await service.engine.start("saga", Order(), saga_id="s1")
    with pytest.raises(SagaNotFound):
        await service.engine.view("s1")


async def test_without_an_id_every_request_is_a_saga_of_its_own() -> None:
    service = service_of(one_step)

    first, second = await service.engine.start("saga", Order()), await service.engine.start("saga", Order())

    assert first.saga.saga_id != second.saga.saga_id


@pytest.mark.parametrize("saga_id", ["a/2", "ü", "x" * 121, "a b", "a\n"])
async def test_an_id_outside_of_the_alphabet_is_refused(saga_id: str) -> None:
    service = service_of(one_step)

    with pytest.raises(InvalidSagaId):
        await service.engine.start("saga", Order(), saga_id=saga_id)


async def test_an_unknown_saga_and_a_bad_input_are_refused_and_nothing_is_appended() -> None:
    service = service_of(one_step)

    with pytest.raises(UnknownSaga):
        await service.engine.start("sage", Order())
    with pytest.raises(ValidationError):
        await service.engine.start("saga", {"name": 7})
    with pytest.raises(SagaNotFound):
        await request(service)
    assert service.store.appends == 0


async def test_who_asked_and_why_goes_with_every_event() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(), saga_id="s1", actor="ana", correlation_id="c7")
    await service.settle()

    requested, *caused = [event async for event in service.store.read_all()]
    step = next(event for event in caused if event.stream == "tally-a")

    assert {event.metadata["correlation_id"] for event in [requested, *caused]} == {"c7"}
    assert {event.metadata["causation_id"] for event in caused} == {str(requested.event_id)}
    assert step.metadata["actor"] == "ana"
    assert (step.metadata["command_id"], step.metadata["saga_id"]) == ("s1/1", "s1")


async def test_waiting_ends_with_the_saga() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(), saga_id="s1")
    waiting = asyncio.create_task(service.engine.wait("s1", timeout_seconds=60))

    await asyncio.sleep(1)
    await service.settle()

    assert (await waiting).result == {"done": "a"}
    assert asyncio.get_running_loop().time() < 2


async def test_waiting_for_a_saga_that_does_not_end_gives_it_as_it_is() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(), saga_id="s1")

    saga = await service.engine.wait("s1", timeout_seconds=5)

    assert saga.status == "queued"
    assert asyncio.get_running_loop().time() == pytest.approx(5)


@pytest.mark.parametrize("told", ["before", "after"])
async def test_waiting_is_bounded_also_when_a_run_ends_in_the_same_pass_of_the_loop(told: str) -> None:
    service, loop = service_of(one_step), asyncio.get_running_loop()
    await service.engine.start("saga", Order(), saga_id="s1")
    if told == "before":
        loop.call_at(5, service.engine.moves.tell, "s1", None)
    waiting = asyncio.create_task(service.engine.wait("s1", timeout_seconds=5))
    await asyncio.sleep(0)
    if told == "after":
        loop.call_at(5, service.engine.moves.tell, "s1", None)

    async with asyncio.timeout(60):
        saga = await waiting

    assert saga.status == "queued"
    assert loop.time() == pytest.approx(5)


async def test_a_run_is_named_anew_only_while_the_journal_names_the_old_one() -> None:
    service = service_of(one_step)
    await service.engine.start("saga", Order(), saga_id="s1")

    await asyncio.gather(*(service.engine.name_next_run("s1", 1, "no live run was found") for _ in range(3)))
    await service.settle()
    await service.engine.name_next_run("s1", 2, "no live run was found")
    await service.engine.halt("s1", 2, "too late")

    outcome = await service.outcome()
    assert outcome.entries.count("RunNamed") == 1
    assert outcome.entries[-1] == "SagaCompleted"


@pytest.mark.parametrize(("run_id", "number"), [("s1", 1), ("s1/2", 2), ("a:2", 1), ("a-1/31", 31)])
def test_the_number_of_a_run_is_read_from_its_id(run_id: str, number: int) -> None:
    assert run_number(run_id) == number


async def test_of_two_who_ask_at_one_version_one_wins_and_the_other_is_told() -> None:
    service = service_of(one_step)
    await service.run_saga("saga", Order())
    seen = (await service.engine.view("s1")).journal_version
    asked = [partial(operations.compensate, actor=actor, reason="wrong") for actor in ("ana", "ben")]

    answers = await asyncio.gather(
        *(service.engine.request("s1", decide, "x", expected_version=seen) for decide in asked),
        return_exceptions=True,
    )

    [won] = [answer for answer in answers if isinstance(answer, SagaView)]
    [lost] = [answer for answer in answers if isinstance(answer, SagaMoved)]
    assert won.requested is not None
    assert lost.version == won.journal_version == seen + 1


async def test_without_a_version_asking_twice_is_asking_once_and_the_answer_says_who_did() -> None:
    service = service_of(one_step)
    await service.run_saga("saga", Order())

    answers = [await service.engine.compensate("s1", actor=actor, reason="wrong") for actor in ("ana", "ben")]

    assert [answer.requested and answer.requested.actor for answer in answers] == ["ana", "ana"]
    assert [answer.journal_version for answer in answers] == [answers[0].journal_version] * 2
