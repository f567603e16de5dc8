"""Calls to another company over HTTP: the snippets of docs/call-an-external-service.md."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx
from pydantic import BaseModel

from domain import Command, Rejected
from domain.values import Id
from workflows.saga import Call, CallDefinition, CallFailed, Retry, Saga, SagaDefinition, Transient


class Parcel(BaseModel):
    order_id: Id


class Label(BaseModel):
    number: str


class Cancelled(BaseModel):
    pass


BUY_LABEL: Final = Call("buy-label", Parcel, Label)
CANCEL_LABEL: Final = Call("cancel-label", Parcel, Cancelled)


class Labels:
    """The company's API. It keeps what was bought under a key, and that a key was cancelled."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    def calls(self) -> list[CallDefinition[Any, Any]]:
        return [
            CallDefinition(BUY_LABEL, self.buy, resolver=self.find),
            CallDefinition(CANCEL_LABEL, self.cancel),
        ]

    async def buy(self, parcel: Parcel, key: str) -> Label:
        answer = await self._send("POST", key, json=parcel.model_dump())
        return Label.model_validate(answer.json())

    async def cancel(self, _parcel: Parcel, key: str) -> Cancelled:
        await self._send("DELETE", key)
        return Cancelled()

    async def find(self, _parcel: Parcel, key: str) -> Label | None:
        answer = await self._send("GET", key)
        return None if answer.status_code == HTTPStatus.NO_CONTENT else Label.model_validate(answer.json())

    async def _send(self, method: str, key: str, **content: Any) -> httpx.Response:
        try:
            answer = await self._http.request(
                method, "/label", headers={"Idempotency-Key": key}, timeout=None, **content
            )
        except httpx.TransportError as error:
            raise Transient(f"no answer: {error!r}") from error
        if answer.status_code == HTTPStatus.CONFLICT:
            raise Rejected(answer.text, code="label-refused")
        if answer.is_server_error:
            raise Transient(f"answered {answer.status_code}")
        return answer.raise_for_status()


class Send(Command):
    order_id: Id


PATIENCE: Final = Retry(attempts=8, first_wait_seconds=0.5, longest_wait_seconds=300)


async def send(saga: Saga, asked: Send) -> str:
    parcel = Parcel(order_id=asked.order_id)
    label = await saga.call(
        BUY_LABEL,
        parcel,
        compensate=CANCEL_LABEL.of(parcel),
        retry=PATIENCE,
        timeout=timedelta(seconds=5),
    )
    return label.number


async def send_somehow(saga: Saga, asked: Send) -> str:
    try:
        return await send(saga, asked)
    except (Rejected, CallFailed):
        return "by our own driver"


SEND: Final = SagaDefinition("send", send, input=Send)
SEND_SOMEHOW: Final = SagaDefinition("send-somehow", send_somehow, input=Send)
