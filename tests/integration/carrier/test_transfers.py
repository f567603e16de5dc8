"""The saga transfer-funds: the money arrives, or it is back where it was."""

import httpx
import pytest

from tests.integration.carrier.shop import Shop
from workflows.carrier import Carrier


@pytest.fixture
async def shop() -> Shop:
    async with httpx.AsyncClient() as client:
        shop = Shop(Carrier(client))
        await shop.stock_up()
        return shop


def transfer(target: str, amount: int) -> dict[str, object]:
    return {"source": "ana", "target": target, "money": {"amount": amount, "currency": "USD"}}


async def test_a_transfer_arrives(shop: Shop) -> None:
    saga = await shop.finish("transfer-funds", transfer("shop", 10_000))

    assert saga.status == "completed"
    assert saga.result == transfer("shop", 10_000)
    assert (await shop.state("account-ana"))["balance"] == 0
    assert (await shop.state("account-shop"))["balance"] == 10_000


async def test_a_refused_deposit_goes_back_to_its_source(shop: Shop) -> None:
    before = await shop.state_of_everything()

    saga = await shop.finish("transfer-funds", transfer("nobody", 1))

    assert saga.status == "compensated"
    assert saga.error is not None
    assert (saga.error.code, saga.error.step) == ("account-not-open", "2")
    assert [step.compensation and step.compensation.name for step in saga.steps] == ["Deposit", None]
    assert await shop.state_of_everything() == before


async def test_a_transfer_that_is_too_large_moves_nothing(shop: Shop) -> None:
    before = await shop.state_of_everything()

    saga = await shop.finish("transfer-funds", transfer("shop", 10_001))

    assert saga.status == "compensated"
    assert saga.error is not None
    assert saga.error.code == "insufficient-funds"
    assert await shop.state_of_everything() == before
