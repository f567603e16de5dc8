"""Sagas that start at a later time: parked from the first, and as easily stopped."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.unit.workflows.toys import Order, counts, do, request, service_of
from workflows.saga import Saga
from workflows.saga.errors import NotPossible
from workflows.saga.testing import START, MemoryService

NOON = START + timedelta(hours=12)
MINUTE = timedelta(minutes=1)


async def two_steps(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    await do(saga, "b")
    return saga.now().isoformat()


async def start_at_noon() -> MemoryService:
    service = service_of(two_steps)
    await service.engine.start("saga", Order(), saga_id="s1", at=NOON)
    return service


async def test_it_is_queued_until_then_and_runs_then() -> None:
    service = await start_at_noon()

    waiting = await service.engine.view("s1")
    assert (waiting.status, waiting.resumes_at, waiting.steps) == ("queued", NOON, [])

    await service.settle()
    ended = await service.outcome()
    assert ended.saga.status == "completed"
    assert ended.saga.resumes_at is None
    assert [due.request["id"] for due in service.enqueued] == []
    assert NOON <= datetime.fromisoformat(ended.saga.result) < NOON + MINUTE
    assert "Parked" not in ended.entries


async def test_a_run_that_comes_early_parks_again_under_the_next_number() -> None:
    service = await start_at_noon()
    service.skip(timedelta(hours=11))

    await service.execute("s1")

    early = await service.outcome()
    assert (early.saga.status, early.saga.resumes_at) == ("queued", NOON)
    assert early.entries == ["SagaRequested", "RunStarted", "Parked"]
    assert [(due.request["id"], due.due) for due in service.enqueued] == [("s1", NOON), ("s1/2", NOON)]
    await service.settle()
    assert (await service.outcome()).saga.status == "completed"
    assert await counts(service) == {"a": 1, "b": 1}


async def test_a_run_that_comes_a_moment_early_waits_for_it() -> None:
    service = await start_at_noon()
    service.skip(NOON - START - timedelta(seconds=0.5))

    await service.execute("s1")

    assert service.now() >= NOON
    assert (await service.outcome()).entries.count("Parked") == 0


@pytest.mark.parametrize("early", [False, True])
async def test_compensating_it_before_it_starts_wakes_it_at_once_and_does_nothing(early: bool) -> None:
    """Also after a run had come early, and the saga is parked once more."""
    service = await start_at_noon()
    if early:
        await service.execute("s1")

    await request(service)

    now = service.enqueued[0]
    assert (now.request["delay_ms"], now.due < START + MINUTE) == (None, True)
    assert (await service.engine.view("s1")).status == "compensating"
    await service.run_next()
    assert service.now() < START + MINUTE
    assert (await service.engine.view("s1")).status == "compensated"
    await service.settle()  # its timer finds nothing to do
    outcome = await service.outcome()
    assert outcome.entries[-1] == "SagaCompensated"
    assert await counts(service) == {}


async def test_a_run_that_waits_for_the_last_moment_gives_way_to_a_request() -> None:
    service = await start_at_noon()
    service.skip(NOON - START - timedelta(seconds=0.5))
    await request(service)

    await service.execute("s1")  # the timer, beside the run that the request has named

    assert (await service.outcome()).entries == ["SagaRequested", "CompensationRequested"]


async def test_it_can_be_abandoned_and_takes_no_retry_before_it_starts() -> None:
    service = await start_at_noon()

    with pytest.raises(NotPossible, match="the saga is queued"):
        await service.engine.retry("s1", actor="ana", reason="now")
    await service.engine.abandon("s1", actor="ana", reason="not any more")

    await service.settle()
    assert (await service.outcome()).entries == ["SagaRequested", "SagaAbandoned"]


async def test_a_run_that_the_reconciler_names_too_early_keeps_to_the_time() -> None:
    service = await start_at_noon()

    await service.engine.name_next_run("s1", 1, "no active run in DBOS")
    await service.run_next()

    assert service.now() < START + MINUTE
    assert await counts(service) == {}
    await service.settle()
    assert (await service.outcome()).saga.status == "completed"
    assert service.now() >= NOON


async def test_a_time_that_has_passed_is_now() -> None:
    service = service_of(two_steps)
    service.skip(timedelta(days=2))

    await service.engine.start("saga", Order(), saga_id="s1", at=NOON)

    assert (await service.engine.view("s1")).resumes_at is None
    assert service.enqueued[0].request["delay_ms"] is None


async def test_the_same_request_again_is_the_same_saga_whatever_time_it_says() -> None:
    service = await start_at_noon()

    again = await service.engine.start("saga", Order(), saga_id="s1", at=NOON + MINUTE)

    assert not again.created
    assert again.saga.resumes_at == NOON


async def test_the_time_is_kept_in_utc_and_must_say_its_offset() -> None:
    service = service_of(two_steps)
    lima = timezone(-timedelta(hours=5))

    started = await service.engine.start("saga", Order(), at=NOON.astimezone(lima))
    assert started.saga.resumes_at == NOON
    [event] = await service.stream(f"saga-{started.saga.saga_id}")
    assert event.data["start_at"] == "2026-01-01T12:00:00Z"
    with pytest.raises(ValueError, match="must have an offset"):
        await service.engine.start("saga", Order(), at=datetime(2027, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="out of range"):
        await service.engine.start("saga", Order(), at=datetime.max.replace(tzinfo=lima))
    assert datetime.max.replace(tzinfo=UTC).year == 9999
