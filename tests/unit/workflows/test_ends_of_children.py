"""Child sagas whose end crosses what their parent does."""

from domain import Rejected
from tests.unit.workflows.family import SIGNALS, WHO
from tests.unit.workflows.toys import AWAY, ONCE, TALLIES, Message, Order, Remote, do, failing, refusing, send
from workflows.saga import CallFailed, Saga, SagaDefinition
from workflows.saga.testing import Killed, MemoryService


async def one_step(saga: Saga, _order: Order) -> None:
    await do(saga, "child")


CHILD = SagaDefinition("child", one_step, Order)


async def child_and_steps(saga: Saga, _order: Order) -> None:
    await saga.start(CHILD, Order())
    await do(saga, "a")


async def goes_on_without_the_child(saga: Saga, _order: Order) -> None:
    try:
        await saga.gather(saga.start(CHILD, Order()), do(saga, "refused"))
    except Rejected:
        await do(saga, "a")


async def child_beside_a_step(saga: Saga, _order: Order) -> None:
    await saga.gather(saga.start(CHILD, Order()), do(saga, "refused"))


async def gets_over_the_call(saga: Saga, _order: Order) -> None:
    try:
        await saga.gather(saga.start(CHILD, Order()), send(saga, ONCE))
    except CallFailed:
        await do(saga, "a")


def service_with_child(function: object, *refused: str, remote: Remote | None = None) -> MemoryService:
    sagas = [SagaDefinition("saga", function, Order), CHILD]  # type: ignore[arg-type]
    return MemoryService(TALLIES, sagas, (remote or Remote()).calls(), refuse=refusing(*refused))


async def test_a_saga_that_went_back_still_knows_the_child_that_it_kept() -> None:
    service = service_with_child(child_and_steps)
    await service.run_saga("saga", Order())

    await service.engine.compensate("s1", actor="ana", reason="once more", to_step="1")
    await service.settle()
    await service.engine.resume("s1", actor="ana", reason="once more")
    await service.settle()

    assert (await service.outcome()).saga.status == "completed"


async def test_a_child_that_is_undone_before_its_parent_has_parked_is_not_waited_for() -> None:
    service = service_with_child(goes_on_without_the_child, "refused")
    await service.engine.start("saga", Order(), saga_id="s1")

    async def the_child_is_faster(number: int) -> None:
        if number == 6:  # the parent has asked the child to undo itself, and parks
            await service.run_next()

    service.store.before_append = the_child_is_faster
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert (await service.outcome("s1.1")).saga.status == "compensated"


async def test_a_replay_does_not_see_a_child_fail_before_the_failure_that_was_seen() -> None:
    remote = Remote()
    service = service_with_child(gets_over_the_call, "child", remote=remote)

    async def the_child_ends_first(key: str) -> None:
        remote.before_send = failing(AWAY)
        await service.run_next()
        await failing(AWAY)(key)

    async def die(number: int) -> None:
        if number == 10:  # the function has got over the call and done its step
            raise Killed

    remote.before_send = the_child_ends_first
    service.store.before_append = die
    outcome = await service.run_saga("saga", Order())

    assert "ChildEnded" in outcome.entries[: outcome.entries.index("StepFailed")]
    assert outcome.saga.status == "completed"


async def test_a_run_that_had_read_before_the_child_ended_reads_again_before_it_announces_itself() -> None:
    service = service_with_child(child_beside_a_step, "child", "refused")

    async def die_and_end(number: int) -> None:
        if number == 3:  # the refusal of the step is not recorded
            raise Killed
        if number == 4:  # the next execution has read the journal, and is about to record it
            await service.run_next()

    service.store.before_append = die_and_end
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.error is not None
    assert outcome.saga.error.step == "1", "the end of the child comes first, and the function saw it"


async def test_a_child_that_ends_after_its_parent_was_abandoned_is_not_waited_for_later() -> None:
    service = service_with_child(child_and_steps)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()

    await service.engine.abandon("s1", actor="ana", reason="enough")
    await service.settle()
    await service.engine.compensate("s1", actor="ana", reason="after all", to_step="1", force=True)
    await service.settle()
    await service.engine.resume("s1", actor="ana", reason="after all")
    await service.settle()

    assert (await service.outcome()).saga.status == "completed"


async def test_what_a_child_told_before_it_was_asked_to_undo_itself_is_of_no_account_after() -> None:
    service = service_with_child(child_beside_a_step, "refused")
    await service.engine.start("saga", Order(), saga_id="s1")

    async def the_child_completes_first(number: int) -> None:
        if number == 3:  # the refusal of the step beside the child is about to be recorded
            await service.run_next()

    service.store.before_append = the_child_completes_first
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "compensated"
    assert outcome.entries.count("CompensationAttempted") == 1
    assert "StepCompensated" not in outcome.entries, "the child has told that it is undone"


async def test_a_saga_that_goes_on_without_a_child_waits_for_its_undoing_also_after_a_crash() -> None:
    service = service_with_child(goes_on_without_the_child, "refused")
    await service.engine.start("saga", Order(), saga_id="s1")

    async def die_when_it_has_asked(number: int) -> None:
        entries = [event.type for event in await service.stream("saga-s1")]
        if number == 3:  # the child completes before the refusal beside it is recorded
            await service.run_next()
        elif entries[-1] == "CompensationAttempted" and not died:
            died.append(True)
            raise Killed

    died: list[bool] = []
    service.store.before_append = die_when_it_has_asked
    await service.settle()

    outcome = await service.outcome()
    assert died
    assert outcome.saga.status == "completed"
    assert outcome.entries.index("SagaCompleted") > max(
        place for place, entry in enumerate(outcome.entries) if entry == "ChildEnded"
    )


async def begins_anew_and_waits(saga: Saga, order: Order) -> None:
    if order.name == "order":
        await do(saga, "child")
        saga.pivot()
        saga.continue_as(Order(name="again"))
    await saga.receive("go", Message)


FINAL = SagaDefinition("final", begins_anew_and_waits, Order, signals=SIGNALS)


async def step_and_child(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.start(FINAL, Order())


async def test_a_child_whose_undoing_was_left_out_is_waited_for_by_a_saga_that_kept_it() -> None:
    """Found by seed 2498559: its parent did not park, and was resumed for ever."""
    sagas = [SagaDefinition("saga", step_and_child, Order), FINAL]
    service = MemoryService(TALLIES, sagas)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.settle()
    await service.engine.compensate("s1", to_step="1", **WHO)
    await service.settle()
    assert (await service.outcome()).saga.stuck.reason == "compensation-failed"
    await service.engine.skip("s1", **WHO)
    await service.settle()
    await service.engine.compensate("s1", to_step="2", force=True, **WHO)
    await service.settle()

    await service.engine.resume("s1", **WHO)
    await service.settle()
    assert (await service.outcome()).entries[-1] == "Parked"

    await service.engine.signal("s1.2", "go", {}, actor="ana")
    await service.settle()
    assert (await service.outcome()).saga.status == "completed"
