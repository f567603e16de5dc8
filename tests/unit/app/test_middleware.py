"""What surrounds every request, around applications that fail."""

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from app.api.middleware import BodyLimit, RequestContext

SECRET = "password=hunter2"


async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ValueError(SECRET)


async def failing_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError(SECRET)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(body)(scope, receive, send)


def client(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(RequestContext(BodyLimit(app, bytes_max=10)))
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_an_unexpected_error_is_a_500_that_only_the_log_explains() -> None:
    with capture_logs() as logs:
        async with client(failing) as http:
            answer = await http.get("/path", headers={"X-Correlation-Id": "trace-1"})

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["correlation_id"]) == (500, "internal", "trace-1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    [entry] = logs
    assert (entry["event"], entry["path"], entry["exc_info"]) == ("request failed", "/path", True)


async def test_an_error_after_the_answer_began_breaks_the_connection() -> None:
    with capture_logs() as logs:
        async with client(failing_late) as http:
            with pytest.raises(ValueError, match=SECRET):
                await http.get("/")

    assert len(logs) == 1


async def test_a_correlation_id_is_made_or_taken_over() -> None:
    async with client(echo) as http:
        made = [(await http.get("/")).headers["X-Correlation-Id"] for _ in range(2)]
        given = (await http.get("/", headers={"X-Correlation-Id": "trace-1"})).headers["X-Correlation-Id"]

    assert len(set(made)) == 2
    assert given == "trace-1"


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"x" * 10, 200), (b"x" * 11, 413), ([b"x" * 5, b"x" * 5], 200), ([b"x" * 10, b"x", b"x"], 413)],
)
async def test_a_body_may_have_as_many_bytes_as_the_limit(content: Any, status: int) -> None:
    async with client(echo) as http:
        with capture_logs() as logs:
            answer = await http.post("/", content=content if isinstance(content, bytes) else chunks(content))

    assert answer.status_code == status
    assert logs == []


async def chunks(parts: list[bytes]) -> Any:
    for part in parts:
        yield part
