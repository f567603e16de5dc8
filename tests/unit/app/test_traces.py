"""Which trace a saga belongs to, and what becomes of spans that nobody takes."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from prometheus_client import CollectorRegistry

from app.observing.export import SPANS_WAITING_MAX, Export
from app.observing.figures import Figures
from app.observing.spans import carried, trace_of, under_way
from app.observing.tracing import OFF, Tracing, tracing_to
from app.settings import SettingsError
from domain import Rejected
from eventstore import NO_STREAM, Batch, NewEvent
from eventstore.memory import MemoryEventStore
from tests.acceptance.server import until
from tests.recovery.collector import collecting

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REQUEST = NewEvent("SagaRequested", {"name": "x"})


def ids(context: Context | None) -> tuple[str, str]:
    span = get_current_span(context).get_span_context()
    return f"{span.trace_id:032x}", f"{span.span_id:016x}"


def figure(registry: CollectorRegistry, outcome: str) -> float:
    return registry.get_sample_value("saga_trace_spans_total", {"outcome": outcome}) or 0.0


async def close(export: Export) -> None:
    """Also wait for the thread that sends: it draws random numbers when it tries again, and Hypothesis takes
    those for the next test's."""
    await export.close()
    until(lambda: not any(thread.name.startswith("OtelBatch") for thread in threading.enumerate()))


async def test_a_saga_belongs_to_what_its_request_says() -> None:
    store = MemoryEventStore()
    request = replace(REQUEST, metadata={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    await store.append([Batch("saga-s", NO_STREAM, [request])])

    assert ids(await trace_of(store, "s")) == (TRACE, SPAN)


@pytest.mark.parametrize("metadata", [{}, {"traceparent": "nonsense"}, {"traceparent": 7}])
async def test_a_request_without_a_trace_gives_every_run_the_same_one(metadata: dict[str, Any]) -> None:
    store = MemoryEventStore()
    for saga in ("s", "t"):
        await store.append(
            [Batch(f"saga-{saga}", NO_STREAM, [NewEvent("SagaRequested", {"name": "x"}, metadata)])]
        )

    first, again, other = [ids(await trace_of(store, saga)) for saga in ("s", "s", "t")]

    assert first == again
    assert first[0] != other[0]
    assert int(first[1], 16) > 0


async def test_a_saga_that_does_not_exist_has_no_trace() -> None:
    assert await trace_of(MemoryEventStore(), "s") is None


@pytest.mark.parametrize(
    "header", ["", "00-0-0-01", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", "x" * 10_000]
)
def test_a_header_that_means_nothing_is_left_alone(header: str) -> None:
    assert carried({"traceparent": header}) is None


def test_where_no_traces_are_wanted_no_span_is_under_way() -> None:
    with under_way(OFF, "x") as span:
        assert not span.is_recording()
        assert not get_current_span().get_span_context().is_valid


async def test_a_bad_value_of_opentelemetrys_own_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")

    with pytest.raises(SettingsError, match=r"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT .* many$"):
        async with tracing_to("http://127.0.0.1:1", Figures("server")):
            pass


async def test_spans_that_nobody_takes_are_counted_and_not_kept() -> None:
    figures = Figures("server")
    with collecting(silent=True) as collector:
        export = Export(collector.url, figures)
        for number in range(2 * SPANS_WAITING_MAX):
            export.tracer.start_span(f"span {number}").end()
        lost = figure(figures.registry, "lost")
        collector.silent.set()
        await close(export)

    # The sender has taken a batch out of the queue at most: it waits for the answer to that.
    assert SPANS_WAITING_MAX - 512 <= lost <= SPANS_WAITING_MAX


async def test_the_end_sends_what_is_queued() -> None:
    figures = Figures("server")
    with collecting() as collector:
        export = Export(collector.url, figures)
        tracing = Tracing(export.tracer, on=True)
        with under_way(tracing, "outer", {"saga.run": 1}), under_way(tracing, "inner"):
            pass
        await close(export)

        outer, inner = sorted(collector.seen, key=lambda seen: seen.name, reverse=True)
        assert (outer.attributes, inner.parent) == ({"saga.run": 1}, outer.span_id)
        assert figure(figures.registry, "sent") == 2


async def test_errors_have_a_type_and_no_text() -> None:
    with collecting() as collector:
        export = Export(collector.url, Figures("server"))
        tracing = Tracing(export.tracer, on=True)
        for error in (ValueError("Ana's secret"), Rejected("Ana's money is gone")):
            with pytest.raises(type(error)), under_way(tracing, type(error).__name__):
                raise error
        await close(export)

    failed, rejected = sorted(collector.seen, key=lambda seen: seen.failed, reverse=True)
    assert (failed.failed, failed.attributes) == (True, {"error.type": "ValueError"})
    assert (rejected.failed, rejected.attributes) == (False, {"saga.outcome": "rejected"})
    assert "Ana" not in " ".join(str(seen.span) for seen in collector.seen)
