"""Requests that outlive their server: sent again, under the same key, until it answers."""

from typing import Any, Final

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.stop import stop_after_delay

PATIENCE_SECONDS: Final = 90.0
TIMEOUT_SECONDS: Final = 30.0

Json = dict[str, Any]


class Refused(Exception):
    """The server answered, and the answer is no: its status, its code and what it says to people."""

    def __init__(self, request: str, status: int, detail: str) -> None:
        super().__init__(f"{request}: {status} {detail}")
        self.status = status


class Unavailable(Exception):
    """The server is there but cannot answer now."""


class PatientClient:
    """The HTTP API of one server that may be killed and started again meanwhile.

    Every request may be sent more than once, so every POST carries an Idempotency-Key. Raises Refused, and
    after `patience_seconds` without an answer what was in the way: httpx.TransportError or Unavailable.
    """

    def __init__(self, http: httpx.AsyncClient, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._http = http
        self._patience_seconds = patience_seconds

    async def get(self, path: str, **query: str | int) -> Json:
        return await self._send("GET", path, params=query)

    async def put(self, path: str, body: Json) -> Json:
        return await self._send("PUT", path, json=body)

    async def post(self, path: str, body: Json, *, key: str) -> Json:
        return await self._send("POST", path, json=body, headers={"Idempotency-Key": key})

    async def _send(self, method: str, path: str, **content: Any) -> Json:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((httpx.TransportError, Unavailable)),
            wait=wait_exponential_jitter(multiplier=0.05, max=0.5, jitter=0.05),
            stop=stop_after_delay(self._patience_seconds),
            reraise=True,
        ):
            with attempt:
                return await self._once(method, path, **content)
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, path: str, **content: Any) -> Json:
        answer = await self._http.request(method, path, **content)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise Unavailable(f"{method} {path}: {answer.text[:500]}")
        if answer.is_error:
            raise Refused(f"{method} {path}", answer.status_code, answer.text[:500])
        document: Json = answer.json()
        return document
