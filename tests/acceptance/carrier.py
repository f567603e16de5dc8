"""A carrier of the tests that listens to what it is told about persons, and repeats it when it complains."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Mood = Literal["books", "away", "refuses", "blunders"]


@dataclass
class NosyCarrier:
    """`names` are those it was sent, by order. It books unless `mood` says otherwise.

    away: 503 · refuses: a business no that quotes the name · blunders: 400 with the name and no code
    """

    url: str = ""
    mood: Mood = "books"
    names: dict[str, list[str]] = field(default_factory=dict)

    def answer(self, booking: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = booking["ship_to"]["name"]
        self.names.setdefault(booking["order_id"], []).append(name)
        match self.mood:
            case "away":
                return 503, {}
            case "refuses":
                return 422, {"code": "unknown-person", "detail": f"we do not deliver to {name}, sorry"}
            case "blunders":
                return 400, {"message": f"{name} broke our parser"}
            case "books":
                return 200, {"tracking": f"T-{booking['order_id']}"}


@contextmanager
def nosy_carrier() -> Iterator[NosyCarrier]:
    carrier = NosyCarrier()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(*carrier.answer(json.loads(self.rfile.read(length))))

        def do_DELETE(self) -> None:
            self._answer(200, {})

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    carrier.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield carrier
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
