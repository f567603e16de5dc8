"""The HTTP API as the commands see it."""

import getpass
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from app.cli.errors import CliError

DEFAULT_URL: Final = "http://127.0.0.1:8000"
TIMEOUT_SECONDS: Final = 30.0
DIFF_SECONDS_MAX: Final = 900.0
# Longer than the server's heartbeat: silence means that it has gone.
WATCH_SILENCE_SECONDS: Final = 30.0

Json = dict[str, Any]
"""A JSON object of the API. The commands print what they know and leave the rest: servers may be newer."""


class SagaClient:
    """Requests to one server. Every failure is a CliError that says in one line what is wrong."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def connect(cls) -> AsyncIterator[Self]:
        """A client of the server at SAGA_URL."""
        url = os.environ.get("SAGA_URL") or DEFAULT_URL
        if not url.startswith(("http://", "https://")):
            raise CliError(f"SAGA_URL must start with http:// or https://, not {url!r}")
        headers = {"X-Actor": _actor()}
        with _failures_in_one_line(url):
            http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, headers=headers)
        async with http:
            yield cls(http)

    async def start(
        self,
        name: str,
        saga_input: Json,
        saga_id: str | None,
        wait_seconds: float,
        at: datetime | None = None,
    ) -> Json:
        headers = {"Prefer": f"wait={wait_seconds:.0f}"} if wait_seconds else {}
        if saga_id is not None:
            headers["Idempotency-Key"] = saga_id
        return await self._send(
            "POST",
            f"/sagas/{_part(name)}",
            params=_given({"at": at and at.isoformat()}),
            json=saga_input,
            headers=headers,
            timeout=TIMEOUT_SECONDS + wait_seconds,
        )

    async def start_batch(self, name: str, sagas: list[Any]) -> Json:
        return await self._send("POST", f"/sagas/{_part(name)}/batch", json={"sagas": sagas})

    async def sagas(self, *, attributes: Mapping[str, str], **query: Any) -> Json:
        """A page of the list; of `query` what is given."""
        named = [f"{name}:{value}" for name, value in attributes.items()]
        return await self._send("GET", "/sagas", params=_given({**query, "attribute": named or None}))

    async def saga(self, saga_id: str) -> Json:
        return await self._send("GET", f"/sagas/{_part(saga_id)}")

    async def watch(self, saga_id: str) -> AsyncIterator[Json]:
        """The saga now and after each change, until it has ended or is stuck."""
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=WATCH_SILENCE_SECONDS)
        with _failures_in_one_line(self._http.base_url):
            async with self._http.stream("GET", f"/sagas/{_part(saga_id)}/watch", timeout=timeout) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _refusal(answer)
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))

    async def operate(self, saga_id: str, path: str, body: Json, if_version: int | None) -> Json:
        """Ask something of one saga: compensate, retry, …, signals/NAME."""
        headers = {} if if_version is None else {"If-Match": f'"{if_version}"'}
        parts = "/".join(_part(part) for part in path.split("/", 1))
        return await self._send("POST", f"/sagas/{_part(saga_id)}/{parts}", json=body, headers=headers)

    async def bulk(self, body: Json) -> Json:
        return await self._send("POST", "/sagas/bulk", json=body)

    async def forget(self, subject: str, reason: str) -> Json:
        return await self._send("POST", f"/subjects/{_part(subject)}/forget", json={"reason": reason})

    async def projections(self) -> Json:
        return await self._send("GET", "/projections")

    async def projection(self, name: str) -> Json:
        return await self._send("GET", f"/projections/{_part(name)}")

    async def decide(self, name: str, action: str, body: Json, wait_seconds: float = 0.0) -> Json:
        """Ask something of a projection or subscription: retry, rebuild, promote, …"""
        timeout = TIMEOUT_SECONDS + wait_seconds
        return await self._send("POST", f"/projections/{_part(name)}/{action}", json=body, timeout=timeout)

    async def difference(self, name: str, other: str | None, full: bool) -> Json:
        query = _given({"with": other, "full": full})
        path = f"/projections/{_part(name)}/diff"
        return await self._send("GET", path, params=query, timeout=DIFF_SECONDS_MAX)

    async def events(self, *, after: int, limit: int) -> Json:
        return await self._send("GET", "/events", params={"after": after, "limit": limit})

    async def stream(self, stream: str, *, from_version: int, limit: int) -> Json:
        query = {"from": from_version, "limit": limit}
        return await self._send("GET", f"/streams/{_part(stream)}", params=query)

    async def aggregate(self, category: str, key: str, **then: Any) -> Json:
        """As it is, or as it was `then`: at a version, as_of a time, or at a position."""
        path = f"/aggregates/{_part(category)}/{_part(key)}"
        return await self._send("GET", path, params=_given(then))

    async def history(self, category: str, key: str, *, start: int | None, limit: int) -> Json:
        """What happened to an aggregate, the latest first."""
        path = f"/aggregates/{_part(category)}/{_part(key)}/history"
        query = {"from": start, "limit": limit, "backwards": True}
        return await self._send("GET", path, params=_given(query))

    async def saga_at(self, saga_id: str, position: str) -> Json:
        """A saga and what it had touched, at a position."""
        return await self._send("GET", f"/sagas/{_part(saga_id)}/at", params={"position": position})

    async def why(self, path: str, version: int | None = None) -> Json:
        """Why an event (`events/ID`) or a stream (`streams/NAME`) is so."""
        parts = "/".join(_part(part) for part in path.split("/", 1))
        return await self._send("GET", f"/{parts}/why", params=_given({"version": version}))

    async def anchors(self, limit: int) -> Json:
        return await self._send("GET", "/audit/anchors", params={"limit": limit})

    async def proof(self, event: str, block: int | None) -> Json:
        return await self._send("GET", f"/audit/proofs/{_part(event)}", params=_given({"block": block}))

    async def read(self, *parts: str, **query: Any) -> Json:
        """A read model: a list, or one row by its key; of `query` what is given."""
        return await self._send("GET", "/" + "/".join(map(_part, parts)), params=_given(query))

    async def _send(self, method: str, path: str, **request: Any) -> Json:
        with _failures_in_one_line(self._http.base_url):
            answer = await self._http.request(method, path, **request)
        if answer.is_error:
            raise _refusal(answer)
        try:
            document: Json = answer.json()
        except ValueError:
            raise CliError(f"{self._http.base_url} does not answer as this program does") from None
        return document


@contextmanager
def _failures_in_one_line(url: httpx.URL | str) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError:
        hint = "start one with `saga serve`, or set SAGA_URL"
        raise CliError(f"no server at {url}: {hint}") from None
    except httpx.TimeoutException:
        raise CliError(f"{url} did not answer in time") from None
    except UnicodeEncodeError:  # an argument that was no UTF-8
        raise CliError("what is sent must be UTF-8") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CliError(f"{url}: {error or type(error).__name__}") from None


def _refusal(answer: httpx.Response) -> CliError:
    """The server's problem document in one line: its code, and its detail for people."""
    try:
        problem = answer.json()
        line = f"{problem['detail']} ({problem['code']})"
    except (ValueError, KeyError, TypeError):
        line = f"the server answered {answer.status_code} {answer.reason_phrase}"
    return CliError(" ".join(line.split()))


def _actor() -> str:
    """Who asks, for the audit: the user of this machine, in the characters that a header takes."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        return "cli"
    return "".join(character for character in user if " " < character < "\x7f")[:120] or "cli"


def _part(text: str) -> str:
    return quote(os.fsencode(text), safe="")


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
