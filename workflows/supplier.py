"""The supplier, reached over HTTP: takes an order for goods and cancels it.

As with the carrier, orders are made under the key of the step, and a cancellation leaves a tombstone. The
supplier does not call us: whoever takes the goods in says so with a signal.
"""

from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict

from domain.values import Id, Quantity
from workflows.remote import ask
from workflows.saga import Call, CallDefinition


class OrderGoods(BaseModel):
    """Send us so many of this SKU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id
    quantity: Quantity


class GoodsOrdered(BaseModel):
    """The supplier will send them, under this number."""

    model_config = ConfigDict(frozen=True)

    number: Id


class CancelGoods(BaseModel):
    """Do not send them, whether the order was made or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id


class GoodsCancelled(BaseModel):
    """The supplier will not send them, and will refuse an order under this key that is still on its way."""

    model_config = ConfigDict(frozen=True)


ORDER_GOODS: Final = Call("order-goods", OrderGoods, GoodsOrdered)
CANCEL_GOODS: Final = Call("cancel-goods", CancelGoods, GoodsCancelled)


class Supplier:
    """The supplier's API below the base URL of `client`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def calls(self) -> list[CallDefinition[Any, Any]]:
        """What a saga may call, by durable name."""
        return [CallDefinition(ORDER_GOODS, self.order), CallDefinition(CANCEL_GOODS, self.cancel)]

    async def order(self, goods: OrderGoods, key: str) -> GoodsOrdered:
        """Order under `key`. Raises Rejected (also for a key that was cancelled) and Transient."""
        response = await self._request("PUT", key, json=goods.model_dump(mode="json"))
        return GoodsOrdered.model_validate(response.json())

    async def cancel(self, cancellation: CancelGoods, key: str) -> GoodsCancelled:
        """Cancel what was or will be ordered under `key`. Raises Rejected and Transient."""
        await self._request("DELETE", key, params={"sku": cancellation.sku})
        return GoodsCancelled()

    async def _request(self, method: str, key: str, **content: Any) -> httpx.Response:
        return await ask(self._client, "the supplier", method, "orders", key, **content)
