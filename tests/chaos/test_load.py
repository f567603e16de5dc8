"""What clients of a round make of the answers of a server that fails."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from tests.chaos.load import NoAnswer, Service


@contextmanager
def answering(*statuses: int) -> Iterator[Service]:
    """A service of one server that gives these answers, one after the other, and then 200."""
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop(0) if left else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Service([f"http://127.0.0.1:{server.server_port}"])
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_fails_is_a_finding_and_is_asked_again() -> None:
    with answering(500, 503) as service:
        assert service.request(random.Random(0), "GET", "/sagas").status_code == 200

    [(request, answer)] = service.findings.items()
    assert (request.split("/", 3)[3].strip(), answer) == ("sagas", "500 {}")


def test_a_client_gives_up_a_request_that_always_fails() -> None:
    with answering(500, 502, 504) as service, pytest.raises(NoAnswer):
        service.request(random.Random(0), "GET", "/sagas")

    assert len(service.findings) == 1


def test_being_told_to_wait_is_no_finding() -> None:
    with answering(503, 429) as service:
        assert service.request(random.Random(0), "GET", "/sagas").status_code == 200

    assert service.findings == {}


def test_what_must_be_there_and_is_not_is_a_finding() -> None:
    with answering(404) as service, pytest.raises(NoAnswer):
        service.look(random.Random(0), "/sagas/o1")

    assert service.findings == {"GET /sagas/o1": "404 {}"}
