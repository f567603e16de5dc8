"""saga orders, stock, accounts, statement: as processes against a running server."""

import httpx
import pytest

from tests.acceptance.server import ServerProcess, account_with, money, order_of, start, stock_of
from tests.acceptance.test_cli import document, error_line, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_an_order_is_listed_and_shown(server: ServerProcess, http: httpx.Client, customer: str) -> None:
    order = order_of(customer, stock_of(http, 3))
    position = start(http, "fulfil-order", order).headers["Saga-Position"]

    listed = document(saga(server, "orders", "--customer", customer, "--after", position, "--json"))
    shown = document(saga(server, "orders", order["order_id"], "--json"))
    people = saga(server, "orders", "--customer", customer, "--status", "completed")
    whole = saga(server, "orders", order["order_id"])

    assert listed == {"orders": [shown], "next": None}
    assert all(word in people.stdout for word in (order["order_id"], "completed", "1000 USD", "France"))
    assert all(word in whole.stdout for word in (order["lines"][0]["sku"], "tracking: ", "total: 1000 USD"))


def test_stock_and_accounts_are_listed_and_shown(server: ServerProcess, http: httpx.Client) -> None:
    sku, account, order_id = stock_of(http, 3), account_with(http, 90), "o-" + stock_of(http, 1)
    reserve = {"order_id": order_id, "quantity": 2}
    http.post(f"/aggregates/stock/{sku}/reserve-stock", json=reserve).raise_for_status()
    body = {"level": 5, "quantity": 10}
    http.post(f"/aggregates/stock/{sku}/set-reorder-point", json=body).raise_for_status()
    hold = {"order_id": order_id, "money": money(30)}
    position = http.post(f"/aggregates/account/{account}/hold-payment", json=hold).json()["position"]

    low = saga(server, "stock", "--low", "--reserved-for", order_id, "--after", str(position))
    item = saga(server, "stock", sku)
    held = document(saga(server, "accounts", "--held-for", order_id, "--after", str(position), "--json"))
    shown = saga(server, "accounts", account)

    assert sku in low.stdout
    assert "low" in low.stdout
    assert all(word in item.stdout for word in (sku, order_id, "reserved for"))
    assert [row["account_id"] for row in held["accounts"]] == [account]
    assert all(word in shown.stdout for word in ("60 USD", "30 USD", order_id))


def test_a_statement_is_read_in_pages(server: ServerProcess, http: httpx.Client) -> None:
    account = account_with(http, 5)
    answer = http.post(f"/aggregates/account/{account}/withdraw", json={"money": money(2)})
    after = answer.headers["Saga-Position"]

    people = saga(server, "statement", account, "--after", after)
    first = document(saga(server, "statement", account, "--limit", "2", "--json"))
    rest = document(saga(server, "statement", account, "--limit", "2", "--after", first["next"], "--json"))
    newest = document(saga(server, "statement", account, "--newest", "--kind", "withdrawn", "--json"))

    assert all(word in people.stdout for word in ("opened", "deposited", "withdrawn", "3 USD", "-2"))
    assert [each["balance"] for each in first["movements"] + rest["movements"]] == [0, 5, 3]
    assert [each["change"] for each in newest["movements"]] == [-2]


def test_what_cannot_be_read_is_one_line(server: ServerProcess) -> None:
    assert "there is no order 'none'" in error_line(saga(server, "orders", "none"))
    assert "there is no account 'none'" in error_line(saga(server, "statement", "none"))
    assert "sort" in error_line(saga(server, "stock", "--sort", "colour"))
    assert "other-timeline" in error_line(saga(server, "accounts", "--after", "1@999"))
