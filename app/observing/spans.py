"""Spans, and the trace that they belong to: one for each saga, wherever and whenever it runs.

append -> `traceparent` of the span that is under way, in the metadata of every event
run    -> child of what the `traceparent` of its SagaRequested names
call   -> `traceparent` in the header of the request

Attributes are ids, names and numbers, never what a saga, a command or an answer holds. Of errors they have
the type: what an error says may quote an input.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import httpx
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from app.observing.tracing import Tracing
from domain import Rejected
from eventstore import Appended, Batch, CommandId, EventStore, RecordedEvent
from eventstore.postgres import PostgresEventStore
from eventstore.subscriptions import Handler
from workflows.saga.journal import journal_stream

TRACEPARENT: Final = "traceparent"
_W3C: Final = TraceContextTextMapPropagator()
_LOW_64_BITS: Final = 2**64 - 1


class TracedStore(PostgresEventStore):
    """Writes down with each event which span has caused it. Outside of spans it adds nothing."""

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        return await super().append(_marked(batches), command=command, attachment=attachment)


def _marked(batches: Sequence[Batch]) -> Sequence[Batch]:
    mark: dict[str, str] = {}
    _W3C.inject(mark)
    parent = mark.get(TRACEPARENT)
    if parent is None:
        return batches
    return [
        replace(
            batch,
            events=[
                replace(event, metadata={**event.metadata, TRACEPARENT: parent}) for event in batch.events
            ],
        )
        for batch in batches
    ]


async def continue_elsewhere(request: httpx.Request) -> None:
    """What is asked of another system belongs to the span that asks."""
    _W3C.inject(request.headers)


def carried(headers: Mapping[str, Any]) -> Context | None:
    """The span that a request, or the metadata of an event, names; None when it names none."""
    named = {
        name: headers[name] for name in (TRACEPARENT, "tracestate") if isinstance(headers.get(name), str)
    }
    context = _W3C.extract(named)
    return context if get_current_span(context).get_span_context().is_valid else None


def in_the_trace_of(handle: Handler) -> Handler:
    """`handle`, what it appends belonging to the span that has caused the event which it is given."""

    async def handling(recorded: RecordedEvent) -> None:
        token = attach(carried(recorded.metadata) or Context())
        try:
            await handle(recorded)
        finally:
            detach(token)

    return handling


async def trace_of(store: EventStore, saga_id: str) -> Context | None:
    """Where the saga belongs; None when there is no such saga. Raises what the store does."""
    async for requested in store.read_stream(journal_stream(saga_id), limit=1):
        return carried(requested.metadata) or _derived(requested.event_id)
    return None


def _derived(request_id: UUID) -> Context:
    """For a saga that was requested outside of spans: every run of it comes to the same."""
    span_id = request_id.int & _LOW_64_BITS
    parent = SpanContext(request_id.int, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(parent), Context())


@contextmanager
def under_way(
    tracing: Tracing,
    name: str,
    attributes: Attributes = None,
    *,
    context: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """A span as long as the block."""
    if not tracing.on:
        yield INVALID_SPAN
        return
    with tracing.tracer.start_as_current_span(
        name,
        context,
        kind,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Rejected:  # the other side's business no is an answer
            span.set_attribute("saga.outcome", "rejected")
            raise
        except BaseException as error:
            failed(span, type(error).__name__)
            raise


def failed(span: Span, kind: str) -> None:
    """It ends with an error of this kind."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
