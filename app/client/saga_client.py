"""The requests of the HTTP API as methods, with the types of what is sent and answered."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import httpx

from app.client import models
from app.client.connection import TIMEOUT_SECONDS, ClientError, Connection, failures_told

DIFF_SECONDS_MAX: Final = 900.0

Json = dict[str, Any]
SagaAction = Literal["retry", "resume", "skip", "abandon"]
FollowerAction = Literal["retry", "skip", "rebuild", "pause", "resume", "promote", "return", "discard"]


class SagaClient:
    """One server. Every failure is a ClientError that says in one line what is wrong."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._connection = Connection(http)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str, token: str | None = None, actor: str | None = None
    ) -> AsyncIterator[Self]:
        """A client of the server at `url`. `actor` says who asks, where no token does. Raises ClientError.

        A token is never sent over the network in the clear.
        """
        if not url.startswith(("http://", "https://")):
            raise ClientError(f"the address of a server starts with http:// or https://, not {url!r}")
        headers = {} if actor is None else {"X-Actor": actor}
        with failures_told(url):
            headers |= _credential(url, token)
            http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, headers=headers)
        async with http:
            yield cls(http)

    async def start(
        self,
        name: str,
        saga_input: Mapping[str, object],
        *,
        saga_id: str | None = None,
        wait_seconds: float = 0.0,
        at: datetime | None = None,
    ) -> models.SagaView:
        """Start a saga, now or `at` a time, and wait for its end for so long at most."""
        headers = {"Prefer": f"wait={wait_seconds:.0f}"} if wait_seconds else {}
        if saga_id is not None:
            headers["Idempotency-Key"] = saga_id
        saga: models.SagaView = await self._connection.send(
            "POST",
            f"/sagas/{_part(name)}",
            params=_given({"at": at and at.isoformat()}),
            json=saga_input,
            headers=headers,
            timeout=TIMEOUT_SECONDS + wait_seconds,
        )
        return saga

    async def start_batch(self, name: str, batch: models.BatchRequest) -> models.BatchView:
        """Start all of these together, or none."""
        answer: models.BatchView = await self._post(f"/sagas/{_part(name)}/batch", batch)
        return answer

    async def sagas(self, *, attributes: Mapping[str, str], **query: str | int | None) -> models.SagaPage:
        """A page of the list; of `query` what is given."""
        named = [f"{name}:{value}" for name, value in attributes.items()]
        page: models.SagaPage = await self._get("/sagas", **query, attribute=named or None)
        return page

    async def saga(self, saga_id: str) -> models.SagaView:
        saga: models.SagaView = await self._get(f"/sagas/{_part(saga_id)}")
        return saga

    async def saga_at(self, saga_id: str, position: str) -> models.SagaThenView:
        """A saga and what it had touched, at a position."""
        then: models.SagaThenView = await self._get(f"/sagas/{_part(saga_id)}/at", position=position)
        return then

    def watch(self, saga_id: str) -> AsyncIterator[models.SagaView]:
        """The saga now and after each change, until it has ended or is stuck."""
        return self._connection.follow(f"/sagas/{_part(saga_id)}/watch")

    async def signal(self, saga_id: str, name: str, signal: models.SignalRequest) -> models.SagaView:
        saga: models.SagaView = await self._post(f"/sagas/{_part(saga_id)}/signals/{_part(name)}", signal)
        return saga

    async def compensate(
        self, saga_id: str, request: models.CompensateRequest, if_version: int | None = None
    ) -> models.SagaView:
        """Stop it and undo what it did; only if its journal is still at that version."""
        path = f"/sagas/{_part(saga_id)}/compensate"
        saga: models.SagaView = await self._post(path, request, headers=_if_match(if_version))
        return saga

    async def preview(self, saga_id: str, request: models.CompensateRequest) -> models.PreviewView:
        """What that would do. Nothing is done."""
        document = request | {"preview": True}
        preview: models.PreviewView = await self._post(f"/sagas/{_part(saga_id)}/compensate", document)
        return preview

    async def operate(
        self, saga_id: str, action: SagaAction, request: models.SkipRequest, if_version: int | None = None
    ) -> models.SagaView:
        """Ask something else of one saga. Only `skip` takes a step."""
        path = f"/sagas/{_part(saga_id)}/{action}"
        saga: models.SagaView = await self._post(path, request, headers=_if_match(if_version))
        return saga

    async def bulk(self, request: models.BulkRequest) -> models.BulkAnswer:
        answer: models.BulkAnswer = await self._post("/sagas/bulk", request)
        return answer

    async def forget(self, subject: str, reason: str) -> models.Forgotten:
        request: models.ForgetRequest = {"reason": reason}
        answer: models.Forgotten = await self._post(f"/subjects/{_part(subject)}/forget", request)
        return answer

    async def executors(self) -> models.ExecutorList:
        answer: models.ExecutorList = await self._get("/executors")
        return answer

    async def projections(self) -> models.FollowerPage:
        answer: models.FollowerPage = await self._get("/projections")
        return answer

    async def projection(self, name: str) -> models.FollowerView:
        answer: models.FollowerView = await self._get(f"/projections/{_part(name)}")
        return answer

    async def decide(
        self,
        name: str,
        action: FollowerAction,
        request: Mapping[str, object],
        wait_seconds: float = 0.0,
    ) -> models.FollowerView:
        """Ask something of a projection or subscription."""
        path, timeout = f"/projections/{_part(name)}/{action}", TIMEOUT_SECONDS + wait_seconds
        answer: models.FollowerView = await self._post(path, request, timeout=timeout)
        return answer

    async def difference(self, name: str, other: str | None, full: bool) -> models.Difference:
        answer: models.Difference = await self._connection.send(
            "GET",
            f"/projections/{_part(name)}/diff",
            params=_given({"with": other, "full": full}),
            timeout=DIFF_SECONDS_MAX,
        )
        return answer

    async def events(self, *, after: int, limit: int) -> models.EventPage:
        page: models.EventPage = await self._get("/events", after=after, limit=limit)
        return page

    async def stream(self, stream: str, *, from_version: int, limit: int) -> models.StreamPage:
        query = {"from": from_version, "limit": limit}
        page: models.StreamPage = await self._get(f"/streams/{_part(stream)}", **query)
        return page

    async def aggregate(self, category: str, key: str, **then: str | int | None) -> models.AggregateView:
        """As it is, or as it was `then`: at a version, as_of a time, or at a position."""
        path = f"/aggregates/{_part(category)}/{_part(key)}"
        answer: models.AggregateView = await self._get(path, **then)
        return answer

    async def history(self, category: str, key: str, *, start: int | None, limit: int) -> models.ChangePage:
        """What happened to an aggregate, the latest first."""
        path = f"/aggregates/{_part(category)}/{_part(key)}/history"
        query = {"from": start, "limit": limit, "backwards": True}
        page: models.ChangePage = await self._get(path, **query)
        return page

    async def why(self, path: str, version: int | None = None) -> models.WhyView:
        """Why an event (`events/ID`) or a stream (`streams/NAME`) is so."""
        parts = "/".join(_part(part) for part in path.split("/", 1))
        answer: models.WhyView = await self._get(f"/{parts}/why", version=version)
        return answer

    async def anchors(self, limit: int) -> models.AnchorPage:
        page: models.AnchorPage = await self._get("/audit/anchors", limit=limit)
        return page

    async def proof(self, event: str, block: int | None) -> models.ProofView:
        answer: models.ProofView = await self._get(f"/audit/proofs/{_part(event)}", block=block)
        return answer

    async def orders(self, **query: str | int | None) -> models.OrderPage:
        page: models.OrderPage = await self._get("/orders", **query)
        return page

    async def order(self, order_id: str, **query: str | int | None) -> models.OrderRow:
        row: models.OrderRow = await self._get(f"/orders/{_part(order_id)}", **query)
        return row

    async def stock(self, **query: str | int | bool | None) -> models.StockPage:
        page: models.StockPage = await self._get("/stock", **query)
        return page

    async def stock_item(self, sku: str, **query: str | int | None) -> models.StockItemView:
        item: models.StockItemView = await self._get(f"/stock/{_part(sku)}", **query)
        return item

    async def accounts(self, **query: str | int | None) -> models.AccountPage:
        page: models.AccountPage = await self._get("/accounts", **query)
        return page

    async def account(self, account_id: str, **query: str | int | None) -> models.AccountDetail:
        account: models.AccountDetail = await self._get(f"/accounts/{_part(account_id)}", **query)
        return account

    async def statement(self, account_id: str, **query: str | int | None) -> models.Statement:
        page: models.Statement = await self._get(f"/accounts/{_part(account_id)}/statement", **query)
        return page

    async def _get(self, path: str, **query: Any) -> Any:
        """Of `query` what is given."""
        return await self._connection.send("GET", path, params=_given(query))

    async def _post(self, path: str, document: Mapping[str, object], **request: Any) -> Any:
        return await self._connection.send("POST", path, json=document, **request)


def _credential(url: str, token: str | None) -> dict[str, str]:
    """The header that shows the token. Raises ClientError."""
    if not token:
        return {}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ClientError("the token has characters that no token has")
    if url.startswith("http://") and httpx.URL(url).host not in ("127.0.0.1", "localhost", "::1"):
        raise ClientError("a token is not sent over plain http:// to another machine: use https://")
    return {"Authorization": f"Bearer {token}"}


def _if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}


def _part(text: str) -> str:
    return quote(os.fsencode(text), safe="")


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}
