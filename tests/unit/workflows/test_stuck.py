"""A bug makes the saga stuck: nothing is undone by itself, a person sees why, fixed code goes on."""

from domain import Rejected
from tests.unit.workflows.toys import Do, Order, Remote, counts, deploy, do, failing, resume, send, service_of
from workflows.saga import NOTHING, Saga


async def broken_function(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    raise ZeroDivisionError("in the function")


async def broken_call(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga)


async def fixed(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")


async def test_a_bug_in_the_function_is_stuck_with_its_traceback() -> None:
    service = service_of(broken_function)

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.status == "stuck"
    assert saga.stuck is not None
    assert (saga.stuck.reason, saga.stuck.error) == ("bug", "ZeroDivisionError: in the function")
    assert "in broken_function" in (saga.stuck.traceback or "")
    assert saga.error is not None
    assert saga.error.code == "bug"
    assert await counts(service) == {"a": 1}


async def test_a_bug_in_a_call_is_stuck_with_its_traceback_and_the_call_is_in_doubt() -> None:
    remote = Remote()
    remote.before_send = failing(KeyError("in the call"))
    service = service_of(broken_call, remote)

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert saga.stuck.error == "KeyError: 'in the call'"
    assert "in send" in (saga.stuck.traceback or "")
    assert saga.steps[1].status == "in-doubt"


async def test_a_compensate_function_that_refuses_is_a_bug_not_a_refusal_of_the_step() -> None:
    def refuse(_events: object) -> Do:
        raise Rejected("not like this")

    async def function(saga: Saga, _order: Order) -> None:
        await saga.execute(Do(tally="a"), compensate=refuse)

    service = service_of(function)

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert saga.stuck.error == "SagaMisuse: compensate= must not refuse: not like this"
    assert await counts(service) == {}


async def test_a_bug_in_a_decider_is_stuck_with_its_traceback() -> None:
    def break_down(_command: object) -> bool:
        raise LookupError("in the decider")

    service = service_of(fixed, refuse=break_down)

    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert saga.stuck.error == "LookupError: in the decider"
    assert "break_down" in (saga.stuck.traceback or "")


async def test_a_bug_whose_text_postgres_cannot_store_is_stuck_too() -> None:
    async def unprintable(_saga: Saga, _order: Order) -> None:
        raise ValueError("nul \0, lone surrogate \ud800")

    saga = (await service_of(unprintable).run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert saga.stuck.error == r"ValueError: nul \x00, lone surrogate \ud800"


async def test_a_result_that_is_no_json_is_stuck() -> None:
    async def secretive(_saga: Saga, _order: Order) -> object:
        return object()

    saga = (await service_of(secretive).run_saga("saga", Order())).saga

    assert saga.status == "stuck"


async def test_fixed_code_and_a_new_run_go_on_where_the_saga_stood() -> None:
    service = service_of(broken_function)
    await service.run_saga("saga", Order())

    deploy(service, fixed)
    await resume(service)

    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert outcome.saga.stuck is None
    assert await counts(service) == {"a": 1, "b": 1}


async def test_a_stuck_saga_does_nothing_when_its_run_is_started_again() -> None:
    service = service_of(broken_function)
    await service.run_saga("saga", Order())
    version = len(await service.stream("saga-s1"))

    await service.execute("s1")

    assert len(await service.stream("saga-s1")) == version


async def test_a_step_before_the_pivot_without_compensate_is_stuck_and_does_nothing() -> None:
    async def forgets(saga: Saga, _order: Order) -> None:
        await saga.execute(Do(tally="a"))

    service = service_of(forgets)
    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert "Do before the pivot needs compensate=" in saga.stuck.error
    assert await counts(service) == {}


async def test_a_step_that_was_never_awaited_is_not_lost_in_silence() -> None:
    async def forgetful(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        do(saga, "b")

    service = service_of(forgetful)
    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert "without step 2" in saga.stuck.error


async def test_a_supervisor_that_halts_a_saga_stops_its_living_run() -> None:
    service = service_of(fixed)

    async def halt(number: int) -> None:
        if number == 3:
            del service.store.before_append
            await service.engine.halt("s1", 1, "five times without an outcome")

    service.store.before_append = halt
    outcome = await service.run_saga("saga", Order())

    assert outcome.entries[-1] == "SagaStuck"
    assert await counts(service) == {"a": 1}


async def test_nothing_said_aloud_is_a_compensation() -> None:
    async def careless(saga: Saga, _order: Order) -> None:
        await saga.execute(Do(tally="a"), compensate=NOTHING)
        await do(saga, "b")
        raise ZeroDivisionError

    service = service_of(careless)
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", actor="ana", reason="broken")
    await service.settle()

    assert (await service.outcome()).saga.status == "compensated"
    assert await counts(service) == {"a": 1, "b": 0}
