"""Before a deploy: what the new code cannot go on with is found, and nothing is written."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from domain import Catalog, Decider, Event, Rejected
from tests.unit.workflows.family import SIGNALS, WHO, begun, defined, go, redeploy, serving, start
from tests.unit.workflows.toys import (
    CODEC,
    TALLIES,
    Do,
    Done,
    Message,
    Order,
    Remote,
    SagaFunction,
    Tally,
    Undo,
    decide,
    do,
    evolve,
    refusing,
    send,
)
from workflows.saga import NOTHING, Registry, Saga, SagaDefinition
from workflows.saga.check import Check, Finding, Report
from workflows.saga.codec import EventCodec
from workflows.saga.testing import MemoryService


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, "part")
    await saga.receive("go", Message)
    return "done"


PART = SagaDefinition("part", part, Order, signals=SIGNALS)


async def branch(saga: Saga) -> None:
    await do(saga, "b")
    await saga.sleep(timedelta())


async def everything(saga: Saga, _order: Order) -> None:
    saga.tag(kind="all")
    await do(saga, f"a {saga.now().isoformat()}")
    await send(saga)
    await saga.gather(saga.branch(branch), saga.start(PART, Order(), detached=True))
    await saga.receive("go", Message)
    saga.pivot()
    await saga.execute(Do(tally="c"), compensate=NOTHING)
    await saga.start(PART, Order())


async def check(service: MemoryService, catalog: Catalog = TALLIES) -> Report:
    """And nothing is appended."""
    appends = service.store.appends
    report = await Check(service.store, EventCodec(catalog), service.registry).run()
    assert service.store.appends == appends
    return report


async def found(service: MemoryService, catalog: Catalog = TALLIES) -> Finding:
    [finding] = (await check(service, catalog)).findings
    return finding


async def open_saga(function: SagaFunction, *asked: str) -> MemoryService:
    service = await begun(function, PART)
    for signal in asked:
        await go(service, signal=signal)
        await service.settle()
    return service


@pytest.mark.parametrize("signals", [(), ("go",)])
async def test_code_that_fits_is_found_to_fit(signals: tuple[str, ...]) -> None:
    service = await open_saga(everything, *signals)

    report = await check(service)

    assert report.ok
    assert report.replayed == report.sagas == (3 if signals else 2)
    assert report.compensations > 0


@pytest.mark.parametrize("runs", range(1, 4))
async def test_sagas_that_have_hardly_begun_fit(runs: int) -> None:
    service = serving(everything, PART)
    await start(service)
    for _ in range(runs - 1):
        await service.run_next()

    assert (await check(service)).ok


async def waits(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.receive("go", Message)


async def other_command(saga: Saga, _order: Order) -> None:
    await do(saga, "x")


async def ends(_saga: Saga, _order: Order) -> None:
    pass


async def raises(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    raise ZeroDivisionError("in the function")


async def refuses_early(_saga: Saga, _order: Order) -> None:
    raise Rejected("no")


async def beside(saga: Saga, _order: Order) -> None:
    await saga.gather(saga.branch(new_branch), do(saga, "x"))


async def new_branch(saga: Saga) -> None:
    await do(saga, "new")


@pytest.mark.parametrize(
    ("function", "kind", "step", "asked"),
    [
        (other_command, "step", "1", "Do {'tally': 'x'}"),
        (ends, "step", "1", "the end of the saga"),
        (refuses_early, "step", "1", "the end of the saga"),
        (beside, "step", "2", "receive"),
        (raises, "raised", None, None),
    ],
)
async def test_a_function_that_does_not_fit(
    function: SagaFunction, kind: str, step: str | None, asked: str | None
) -> None:
    service = await open_saga(waits)
    redeploy(service, function)

    finding = await found(service)

    assert (finding.kind, finding.saga_id, finding.saga) == (kind, "s1", "saga")
    assert kind == "raised" or finding.recorded
    assert function is beside or (finding.step, finding.asked) == (step, asked)


async def test_a_definition_that_is_gone() -> None:
    service = await open_saga(waits)
    service.registry = Registry([], Remote().calls())

    assert (await found(service)).kind == "definition"


async def test_an_input_that_no_longer_fits() -> None:
    class Numbered(BaseModel):
        number: int

    service = await open_saga(waits)
    service.registry = Registry([SagaDefinition("saga", waits, Numbered, signals=SIGNALS)])

    finding = await found(service)

    assert (finding.kind, finding.detail) == ("input", "the input cannot be read: number Field required")


class Counted(BaseModel):
    number: int


async def counted(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.receive("go", Counted)
    await saga.receive("stop", Message)


async def stops(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.receive("go", Message)
    await saga.receive("stop", Message)


async def test_a_signal_that_was_taken_and_no_longer_fits() -> None:
    service = await open_saga(stops, "go")
    service.registry = Registry([SagaDefinition("saga", counted, Order, signals={**SIGNALS, "go": Counted})])

    finding = await found(service)

    assert (finding.kind, finding.step, finding.recorded) == ("step", "2", "go {'text': 'go'}")


async def test_a_signal_that_nobody_has_taken_and_that_no_longer_fits() -> None:
    service = await open_saga(waits)
    await go(service, signal="stop")
    signals = {**SIGNALS, "stop": Counted}
    service.registry = Registry([SagaDefinition("saga", waits, Order, signals=signals)])

    finding = await found(service)

    assert (finding.kind, finding.recorded) == ("signal", "stop {'text': 'go'}")


async def called(saga: Saga, _order: Order) -> None:
    await send(saga)
    await saga.receive("go", Message)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_compensation_whose_call_is_gone(ended: bool) -> None:
    service = await open_saga(called, *(["go"] if ended else []))
    service.registry = Registry([defined(called)], Remote().calls()[:1])

    finding = await found(service)

    assert (finding.kind, finding.step) == ("compensation", "1")
    assert "unsend" in finding.detail


async def test_the_compensations_of_a_saga_that_cannot_be_undone_any_more_are_left_alone() -> None:
    async def pivots(saga: Saga, _order: Order) -> None:
        await send(saga)
        saga.pivot()
        await saga.sleep(timedelta())

    service = await open_saga(pivots)
    service.registry = Registry([], [])

    report = await check(service)

    assert report.ok
    assert (report.sagas, report.replayed, report.compensations) == (1, 0, 0)


async def test_a_saga_that_compensates_needs_its_compensations_only() -> None:
    service = serving(waits, refuse=lambda command: isinstance(command, Undo))
    await start(service)
    await service.settle()
    await service.engine.compensate("s1", **WHO)
    await service.settle()
    redeploy(service, ends)

    report = await check(service)

    assert report.ok
    assert (report.replayed, report.compensations) == (0, 1)


async def test_events_and_compensations_whose_types_are_gone_are_told_once_a_type() -> None:
    class Redone(Event):
        tally: str

    def kept(tally: Tally, event: Any) -> Tally:
        return evolve(tally, event)

    without = Catalog([Decider("tally", lambda command: command.tally, Tally(), decide, kept, Do, Redone)])

    async def twice(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await do(saga, "b")
        await saga.sleep(timedelta(days=1))

    service = serving(twice)
    await start(service)
    await service.run_next()

    report = await check(service, without)

    by_kind = {finding.kind: finding for finding in report.findings}
    assert set(by_kind) == {"event", "compensation", "raised"}
    assert (by_kind["event"].count, by_kind["event"].recorded) == (2, Done.__name__)
    assert by_kind["event"].position == 2
    assert sum(finding.kind == "compensation" for finding in report.findings) == 2


async def test_many_findings_are_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.saga.check.FINDINGS_MAX", 2)
    service = serving(waits)
    for number in range(5):
        await start(service, f"s{number}")
    await service.settle()
    redeploy(service, ends)

    report = await check(service)

    assert (len(report.findings), report.left_out) == (2, 3)
    assert not report.document()["ok"]


async def test_progress_comes_to_the_end_of_the_log() -> None:
    service = await open_saga(waits)
    told: list[tuple[int, int]] = []

    await Check(service.store, CODEC, service.registry).run(lambda *place: told.append(place))

    assert told[-1][0] == told[-1][1] == await service.store.safe_position()


async def test_a_caught_failure_and_a_call_between_two_attempts_fit() -> None:
    async def careful(saga: Saga, _order: Order) -> None:
        try:
            await saga.gather(do(saga, "refused"), saga.branch(new_branch))
        except Rejected:
            await do(saga, "instead")
        await saga.receive("go", Message)

    service = await begun(careful, refuse=refusing("refused"))

    assert (await check(service)).ok
