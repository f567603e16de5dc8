"""What a saga cannot be started with, by the name of the field."""

from typing import Any

import pytest
from pydantic import ValidationError

from workflows.fulfil_order import FULFIL_ORDER, FulfilOrder
from workflows.replenish_stock import ReplenishStock
from workflows.return_order import ReturnOrder
from workflows.sagas import SAGAS
from workflows.transfer_funds import TransferFunds

ORDER: dict[str, Any] = {
    "order_id": "10248",
    "customer_id": "VINET",
    "ship_to": {"name": "Vins et alcools Chevalier", "country": "France"},
    "lines": [{"sku": "11", "quantity": 12, "unit_price": {"amount": 1400, "currency": "USD"}}],
}
TRANSFER: dict[str, Any] = {"source": "a", "target": "b", "money": {"amount": 1, "currency": "USD"}}


def places(refused: pytest.ExceptionInfo[ValidationError]) -> list[tuple[int | str, ...]]:
    return [error["loc"] for error in refused.value.errors()]


def test_the_names_of_the_sagas_are_durable() -> None:
    named = {saga.name: (saga.input, saga.version) for saga in SAGAS}

    assert named == named | {
        "fulfil-order": (FulfilOrder, 1),
        "transfer-funds": (TransferFunds, 1),
        "return-order": (ReturnOrder, 1),
        "replenish-stock": (ReplenishStock, 1),
    }


def test_an_order_is_what_the_wire_says() -> None:
    order = FulfilOrder.model_validate(ORDER)

    assert order.model_dump(mode="json") == ORDER


def test_an_order_names_its_saga() -> None:
    assert FULFIL_ORDER.id is not None
    assert FULFIL_ORDER.id(FulfilOrder.model_validate(ORDER)) == "fulfil-order-10248"


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"order_id": "x" * 121}, ("order_id",)),
        ({"customer_id": ""}, ("customer_id",)),
        ({"ship_to": {"name": "Ana"}}, ("ship_to", "country")),
        ({"lines": []}, ("lines",)),
        ({"lines": ORDER["lines"] * 2}, ("lines",)),
        ({"coupon": "X"}, ("coupon",)),
    ],
)
def test_an_impossible_order_is_refused_by_name(changed: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        FulfilOrder.model_validate(ORDER | changed)

    assert places(refused) == [place]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"target": "a"}, ("target",)),
        ({"source": "a/b"}, ("source",)),
        ({"money": {"amount": 0, "currency": "USD"}}, ("money",)),
        ({"money": {"amount": -1, "currency": "USD"}}, ("money", "amount")),
        ({"money": {"amount": 1.5, "currency": "USD"}}, ("money", "amount")),
        ({"money": {"amount": 1, "currency": "dollar"}}, ("money", "currency")),
    ],
)
def test_an_impossible_transfer_is_refused_by_name(changed: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        TransferFunds.model_validate(TRANSFER | changed)

    assert places(refused) == [place]
