"""A collector of traces: takes OTLP over HTTP, and remembers what it was sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True)
class Seen:
    """One span, and the process that made it."""

    process: str
    span: Span

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def trace_id(self) -> str:
        return self.span.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def failed(self) -> bool:
        return bool(self.span.status.code == Status.STATUS_CODE_ERROR)

    @property
    def attributes(self) -> dict[str, Any]:
        return values(self.span.attributes)


def values(attributes: Any) -> dict[str, Any]:
    def value(one: KeyValue) -> Any:
        return getattr(one.value, one.value.WhichOneof("value"))

    return {one.key: value(one) for one in attributes}


@dataclass
class Collector:
    """`silent`: it takes requests, and answers none until it is let go."""

    url: str
    silent: threading.Event = field(default_factory=threading.Event)
    seen: list[Seen] = field(default_factory=list)

    def of(self, trace_id: str) -> list[Seen]:
        """The spans of a trace that have come so far."""
        return [each for each in self.seen.copy() if each.trace_id == trace_id]

    def everywhere(self, name: str) -> list[Seen]:
        return [each for each in self.seen.copy() if each.name == name]

    def named(self, trace_id: str, name: str) -> list[Seen]:
        return [each for each in self.of(trace_id) if each.name == name]


@contextmanager
def collecting(*, silent: bool = False) -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.silent.wait()
            if self.path != "/v1/traces":
                self.send_error(404)
                return
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                process = values(group.resource.attributes)["service.instance.id"]
                collector.seen += [Seen(process, span) for scope in group.scope_spans for span in scope.spans]
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Not into the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    if not silent:
        collector.silent.set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()
