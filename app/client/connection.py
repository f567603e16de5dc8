"""Requests to one server, and what can come of them."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

TIMEOUT_SECONDS: Final = 30.0
WATCH_SILENCE_SECONDS: Final = 30.0
"""Longer than the server's heartbeat: silence means that it has gone."""


class ClientError(Exception):
    """There is no answer, or it is a no. The message is one line and says what is wrong."""


class NoAnswer(ClientError):
    """The server cannot be reached, was silent for too long, or is no server of ours. It may have acted."""


class Refused(ClientError):
    """The server says no: `code` is that of its problem document, None when it sent none."""

    def __init__(self, message: str, status: int, code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Connection:
    """Sends requests. Every failure is a ClientError."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def send(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of the answer."""
        with failures_told(self._http.base_url):
            answer = await self._http.request(method, path, **request)
        if answer.is_error:
            raise _refusal(answer)
        return self._decoded(answer.text)

    def _decoded(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise NoAnswer(f"{self._http.base_url} does not answer as this program does") from None

    async def follow(self, path: str) -> AsyncIterator[Any]:
        """The data of server-sent events, until the server ends them."""
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=WATCH_SILENCE_SECONDS)
        with failures_told(self._http.base_url):
            async with self._http.stream("GET", path, timeout=timeout) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _refusal(answer)
                async for line in _lines(answer):
                    if line.startswith("data: "):
                        yield self._decoded(line.removeprefix("data: "))


async def _lines(answer: httpx.Response) -> AsyncIterator[str]:
    """Those of a stream of events end with a line feed; what else may end a line is part of the data."""
    rest = ""
    async for text in answer.aiter_text():
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line


@contextmanager
def failures_told(url: httpx.URL | str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError:
        hint = "start one with `saga serve`, or set SAGA_URL"
        raise NoAnswer(f"no server at {url}: {hint}") from None
    except httpx.TimeoutException:
        raise NoAnswer(f"{url} did not answer in time") from None
    except UnicodeEncodeError:  # an argument that was no UTF-8
        raise ClientError("what is sent must be UTF-8") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(f"{url}: {error or type(error).__name__}") from None


def _refusal(answer: httpx.Response) -> Refused:
    """The server's problem document in one line: its code, and its detail for people."""
    code = None
    try:
        problem = answer.json()
        code = str(problem["code"])
        line = f"{problem['detail']} ({code})"
    except (ValueError, KeyError, TypeError):
        line = f"the server answered {answer.status_code} {answer.reason_phrase}"
    return Refused(" ".join(line.split()), answer.status_code, code)
