"""A program that asks a server: docs/reference/api.md#from-python."""

from app.client import NoAnswer, Refused, SagaClient


async def pay(url: str, token: str | None, reference: str, cents: int) -> str:
    transfer = {"source": "ana", "target": "shop", "money": {"amount": cents, "currency": "USD"}}
    async with SagaClient.connect(url, token) as client:
        try:
            saga = await client.start("transfer-funds", transfer, saga_id=reference, wait_seconds=30)
        except Refused as no:
            return f"not asked for: {no.code}"
        except NoAnswer:
            return "perhaps: ask again, under the same reference"
    if saga["error"] is not None:
        return f"{saga['status']}: {saga['error']['code']}"
    return saga["status"]
