"""One trace for each saga, whoever runs it and whatever wakes it; a collector costs nobody anything."""

import json
import os
from typing import Any

import httpx
import pytest

from tests.acceptance.server import Json, free_port, unique, until
from tests.conftest import Database
from tests.recovery.collector import Collector, collecting
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import Server, serving
from tests.recovery.scripted import (
    NAME,
    NO_ACCOUNT,
    ask,
    await_status,
    book,
    child,
    deposit,
    go,
    serve_scripted,
    wait,
)
from tests.recovery.shop import Carrier, Look, await_end, open_account, open_shop, order, saga_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

RUN = f"run {NAME}"
START = "POST /sagas/{name}"


def new_parent() -> tuple[str, str]:
    """The ids of a trace, and of a span of it, that a client has begun."""
    return os.urandom(16).hex(), os.urandom(8).hex()


def run_traced(http: httpx.Client, saga_id: str, parent: tuple[str, str], *lines: Json) -> None:
    headers = {"traceparent": f"00-{parent[0]}-{parent[1]}-01", "Idempotency-Key": saga_id}
    http.post(f"/sagas/{NAME}", json={"lines": list(lines)}, headers=headers).raise_for_status()


def traces_of(database: Database, saga_id: str) -> dict[str, set[str | None]]:
    """The trace ids in the metadata of the events of a saga, its own entries and those of aggregates."""
    rows = Look(database).rows(
        """
        select type, split_part(metadata->>'traceparent', '-', 2) as trace from eventstore.events
         where metadata->>'correlation_id' = %(saga_id)s
        """,
        saga_id=saga_id,
    )
    found: dict[str, set[str | None]] = {}
    for row in rows:
        found.setdefault(row["type"], set()).add(row["trace"])
    return found


def entries(server: Server, event: str) -> list[dict[str, Any]]:
    """What the server has logged under this event."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]


def await_run(collector: Collector, trace: str, saga_id: str, status: str) -> None:
    """Wait until a run that came to this status was told."""

    def told() -> bool:
        runs = [run.attributes for run in collector.named(trace, RUN)]
        return any((run["saga.id"], run.get("saga.status")) == (saga_id, status) for run in runs)

    until(told)


def test_a_saga_whose_process_was_killed_stays_in_its_trace(database: Database, carrier: Carrier) -> None:
    saga_id, (trace, client_span) = unique("traced"), new_parent()
    carrier.behave(mode="slow", delay_ms=60_000)
    with collecting() as collector:
        settings = {"SAGA_OTLP_URL": collector.url, "SAGA_CARRIER_URL": carrier.url}
        with (
            serving(database, serve_scripted, ShortCalls(), **settings) as victim,
            httpx.Client(base_url=victim.url, timeout=60) as http,
        ):
            for account in ("early", "late"):
                open_account(http, account)
            run_traced(http, saga_id, (trace, client_span), deposit("early"), book("b1"), deposit("late"))
            until(lambda: bool(collector.named(trace, "Deposit") and collector.named(trace, START)))
            until(lambda: bool(Look(database).journal(saga_id, "StepStarted")))
            victim.kill()
        [request] = collector.named(trace, START)
        [early] = collector.named(trace, "Deposit")
        assert request.parent == client_span

        carrier.behave(mode="ok")
        with (
            serving(database, serve_scripted, ShortCalls(), **settings) as other,
            httpx.Client(base_url=other.url, timeout=60) as http,
        ):
            await_end(http, saga_id)
            await_run(collector, trace, saga_id, "completed")

        runs = collector.named(trace, RUN)
        assert {run.parent for run in runs} == {request.span_id}
        assert {run.attributes["saga.id"] for run in runs} == {saga_id}
        assert "completed" in [run.attributes["saga.status"] for run in runs]
        [late] = [each for each in collector.named(trace, "Deposit") if each.span_id != early.span_id]
        assert late.parent in {run.span_id for run in runs}
        assert early.process != late.process
        assert early.attributes["saga.step"] == "1"
        assert "call book-carrier" in {each.name for each in collector.of(trace)}
        assert set.union(*traces_of(database, saga_id).values()) == {trace}


def test_children_signals_and_operators_do_not_leave_the_trace(database: Database) -> None:
    saga_id, (trace, client_span) = unique("traced"), new_parent()
    kid = unique("traced-child")
    with (
        collecting() as collector,
        serving(database, serve_scripted, SAGA_OTLP_URL=collector.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        for account in ("ana-and-her-money", "bob-and-his-money"):
            open_account(http, account)
        script = (
            deposit("ana-and-her-money"),
            book("b-traced"),
            child(kid, deposit("bob-and-his-money"), wait()),
        )
        run_traced(http, saga_id, (trace, client_span), *script)
        for waiting in (saga_id, kid):
            await_status(http, waiting, "waiting")
        go(http, kid, data={"amount": 1, "note": "a note to Ana"}).raise_for_status()
        await_status(http, saga_id, "completed")
        ask(http, saga_id, "compensate").raise_for_status()
        await_status(http, saga_id, "compensated")
        await_run(collector, trace, saga_id, "compensated")
        until(lambda: bool(collector.everywhere("POST /sagas/{saga_id}/compensate")))

        spans = {each.span_id: each for each in collector.of(trace)}
        runs = [each for each in spans.values() if each.name == RUN]
        assert {run.attributes["saga.id"] for run in runs} == {saga_id, kid}
        statuses = {run.attributes["saga.status"] for run in runs if run.attributes["saga.id"] == saga_id}
        assert statuses >= {"waiting", "completed", "compensated"}
        undone = [each for each in spans.values() if each.attributes.get("saga.compensation")]
        assert sorted(each.name for each in undone) == ["Withdraw", "Withdraw", "call cancel-booking"]
        assert {each.attributes["saga.outcome"] for each in undone if each.name == "Withdraw"} == {
            "succeeded"
        }
        # The sandbox is another system, reached over HTTP: what it does is part of the trace as well.
        [booked] = [each for each in spans.values() if each.name == "PUT /bookings/{key}"]
        assert spans[booked.parent].name == "call book-carrier"
        assert all(each.parent in spans or each.parent == client_span for each in spans.values())
        # The operator and the sender of the signal have traces of their own.
        operators = collector.everywhere("POST /sagas/{saga_id}/compensate")
        assert [each.trace_id == trace for each in operators] == [False]
        told = " ".join(f"{each.name} {each.span.attributes} {each.span.events}" for each in collector.seen)
        assert saga_id in told
        assert "her-money" not in told
        assert "a note to" not in told


def test_what_goes_wrong_is_marked_but_not_quoted(database: Database) -> None:
    refused, halted = (unique("refused"), new_parent()), (unique("halted"), new_parent())
    with (
        collecting() as collector,
        serving(database, serve_scripted, SAGA_OTLP_URL=collector.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_account(http, "ana")
        run_traced(http, *refused, deposit("ana"), NO_ACCOUNT)
        await_status(http, refused[0], "compensated")
        run_traced(http, *halted, {"does": "pivot"}, NO_ACCOUNT)
        await_status(http, halted[0], "stuck")
        await_run(collector, refused[1][0], refused[0], "compensated")
        await_run(collector, halted[1][0], halted[0], "stuck")

    trace, _ = refused[1]
    outcomes = [each.attributes["saga.outcome"] for each in collector.named(trace, "Deposit")]
    assert sorted(outcomes) == ["rejected", "succeeded"]
    [run] = collector.named(trace, RUN)
    assert not run.failed
    assert [event.name for event in run.span.events] == ["compensation started"]
    [stuck] = collector.named(halted[1][0], RUN)
    assert stuck.failed
    assert stuck.attributes["error.type"] == "rejected-after-pivot"
    assert stuck.attributes["saga.status"] == "stuck"


def test_a_saga_that_an_event_starts_belongs_to_the_trace_of_the_event(database: Database) -> None:
    trace, client_span = new_parent()
    with (
        collecting() as collector,
        serving(database, SAGA_OTLP_URL=collector.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        point = {"level": 1_000, "quantity": 50}
        http.post("/aggregates/stock/tea/set-reorder-point", json=point).raise_for_status()
        headers = {"traceparent": f"00-{trace}-{client_span}-01"}
        http.post("/sagas/fulfil-order", json=order("o1"), headers=headers).raise_for_status()
        await_end(http, saga_of("o1"))
        until(lambda: bool(collector.named(trace, "run replenish-stock")))
        until(lambda: bool(collector.named(trace, "run fulfil-order")))

    [low] = {each.parent for each in collector.named(trace, "run replenish-stock")}
    [cause] = [each.name for each in collector.of(trace) if each.span_id == low]
    assert cause == "ReserveStock"


@pytest.mark.parametrize("how", ["away", "silent"])
def test_a_collector_that_takes_nothing_costs_spans_only(database: Database, how: str) -> None:
    saga_id, parent = unique("traced"), new_parent()
    with collecting(silent=True) as collector:
        url = collector.url if how == "silent" else f"http://127.0.0.1:{free_port()}"
        with (
            serving(database, serve_scripted, SAGA_OTLP_URL=url) as server,
            httpx.Client(base_url=server.url, timeout=60) as http,
        ):
            open_account(http, "ana")
            run_traced(http, saga_id, parent, deposit("ana"), deposit("ana"))
            await_status(http, saga_id, "completed")

            def lost() -> bool:
                http.get("/sagas").raise_for_status()
                return 'saga_trace_spans_total{outcome="lost"}' in http.get("/metrics").text

            until(lost)
            assert server.stop() == 0, server.log.read_text()
            [said] = entries(server, "spans are lost: the collector does not take them")
            assert said["reason"]
        assert set.union(*traces_of(database, saga_id).values()) == {parent[0]}


def test_spans_are_taken_again_when_the_collector_is_back(database: Database) -> None:
    with (
        collecting(silent=True) as collector,
        serving(database, SAGA_OTLP_URL=collector.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        http.get("/sagas").raise_for_status()
        until(lambda: bool(entries(server, "spans are lost: the collector does not take them")))
        collector.silent.set()

        def back() -> bool:
            http.get("/sagas").raise_for_status()
            return bool(entries(server, "the collector takes spans again"))

        until(back)


def test_without_a_collector_nothing_of_traces_is_kept(database: Database) -> None:
    saga_id, parent = unique("traced"), new_parent()
    with (
        serving(database, serve_scripted) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_account(http, "ana")
        run_traced(http, saga_id, parent, deposit("ana"))
        await_status(http, saga_id, "completed")
        assert "saga_trace_spans_total{" not in http.get("/metrics").text

    assert set.union(*traces_of(database, saga_id).values()) == {None}
