"""Sends spans to a collector (OTLP over HTTP), in a thread of its own.

span ends -> queue, bounded: when it is full the span is lost, and nobody waits
thread    -> every second what is queued; a collector that is away costs spans, and one line in the log
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Tracer
from uuid_utils.compat import uuid7

from app.observing.figures import Figures

SPANS_WAITING_MAX: Final = 4096
BATCH_SECONDS: Final = 1.0
SEND_SECONDS_MAX: Final = 5.0
FLUSH_SECONDS_MAX: Final = 1.0
"""How long the end of the process waits for the collector."""

log = structlog.get_logger(__name__)


class Export:
    """A tracer whose spans go to the collector at `url`. To be closed once."""

    def __init__(self, url: str, figures: Figures) -> None:
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say wins.
        resource = Resource.create(
            {
                "service.name": "saga-orchestrator",
                "service.version": version("saga-orchestrator"),
                "service.instance.id": str(uuid7()),
            }
        ).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(_Queue(_Sender(url, figures), figures))

    @property
    def tracer(self) -> Tracer:
        return self._provider.get_tracer("saga-orchestrator")

    async def close(self) -> None:
        """Send what is queued, within FLUSH_SECONDS_MAX."""
        # The provider would wait for half a minute, and a thread of the loop would be waited for.
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, FLUSH_SECONDS_MAX)


class _Sender(OTLPSpanExporter):
    """Says once that the collector does not take spans, and once that it takes them again."""

    def __init__(self, url: str, figures: Figures) -> None:
        super().__init__(endpoint=f"{url}/v1/traces", timeout=SEND_SECONDS_MAX)
        self.taken = 0
        self._figures = figures
        self._away = False
        self._words = _LastWords()
        logger = logging.getLogger(trace_exporter.__name__)
        logger.filters = [self._words]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = super().export(spans)
        away = result is not SpanExportResult.SUCCESS
        self._figures.spans[("lost" if away else "sent",)].inc(len(spans))
        if away and not self._away:
            log.warning("spans are lost: the collector does not take them", reason=self._words.said)
        elif self._away and not away:
            log.info("the collector takes spans again")
        self._away = away
        return result


class _LastWords(logging.Filter):
    """Keeps what the library says, which says it at every try."""

    said: str = ""

    def filter(self, record: logging.LogRecord) -> bool:
        self.said = record.getMessage()
        return False


class _Queue(BatchSpanProcessor):
    """Loses the newest span when it is full: the library would log a line for each."""

    def __init__(self, sender: _Sender, figures: Figures) -> None:
        super().__init__(sender, SPANS_WAITING_MAX, BATCH_SECONDS * 1000)
        self._sender = sender
        self._figures = figures
        self._came = 0

    def on_end(self, span: ReadableSpan) -> None:
        if not (span.context and span.context.trace_flags.sampled):
            return
        # Spans end in the loop alone, and only the thread counts what it takes.
        if self._came - self._sender.taken >= SPANS_WAITING_MAX:
            self._figures.spans[("lost",)].inc()
            return
        self._came += 1
        super().on_end(span)
