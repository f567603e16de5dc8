"""Ids of the greatest length: an order is fulfilled under one, and found again."""

import httpx
import pytest

from tests.acceptance.server import order_of, start, stock_of, unique

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ID_CHARS_MAX = 120


def test_an_order_with_the_longest_id_is_fulfilled_without_a_key(http: httpx.Client, customer: str) -> None:
    order = order_of(customer, stock_of(http, 1))
    order["order_id"] = unique("order").ljust(ID_CHARS_MAX, "x")

    first, again = start(http, "fulfil-order", order), start(http, "fulfil-order", order)

    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert first.json()["status"] == "completed"
    assert first.json()["saga_id"] == again.json()["saga_id"]
    assert http.get(f"/aggregates/order/{order['order_id']}").status_code == 200
