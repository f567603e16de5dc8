"""Orders, stock and accounts over HTTP: what a client sees after what it did."""

import httpx
import pytest

from tests.acceptance.server import Json, account_with, money, order_of, start, stock_of, unique, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def get(http: httpx.Client, path: str, **query: object) -> Json:
    answer: Json = http.get(path, params={k: str(v) for k, v in query.items()}).raise_for_status().json()
    return answer


@pytest.fixture
def fulfilled(http: httpx.Client, customer: str) -> tuple[Json, str]:
    """An order that is completed, and the position of the answer that said so."""
    order = order_of(customer, stock_of(http, 10), quantity=3)
    answer = start(http, "fulfil-order", order)
    assert answer.json()["status"] == "completed"
    return order, answer.headers["Saga-Position"]


def test_an_order_is_there_after_the_position_of_the_saga(
    http: httpx.Client, fulfilled: tuple[Json, str]
) -> None:
    order, position = fulfilled

    row = get(http, f"/orders/{order['order_id']}", after=position)

    assert row["status"] == "completed"
    assert row["lines"] == order["lines"]
    assert row["ship_to"] == order["ship_to"]
    assert row["total"] == money(3000)
    assert row["saga_ids"] == [f"fulfil-order-{order['order_id']}"]
    assert row["tracking"]
    assert get(http, "/orders", customer_id=order["customer_id"])["orders"] == [row]
    assert get(http, "/orders", sku=order["lines"][0]["sku"], status="completed")["orders"] == [row]


def test_stock_has_what_the_aggregate_has(http: httpx.Client, fulfilled: tuple[Json, str]) -> None:
    order, position = fulfilled
    sku = order["lines"][0]["sku"]

    row = get(http, f"/stock/{sku}", after=position)

    assert (row["received"], row["on_hand"], row["reserved"], row["shipped"]) == (10, 7, 0, 3)
    assert (row["reservations"], row["next"], row["running_low"]) == ([], None, False)


def test_what_is_reserved_and_held_says_for_which_order(http: httpx.Client) -> None:
    sku, account, order_id = stock_of(http, 5), account_with(http, 100), unique("order")
    reserve = {"order_id": order_id, "quantity": 2}
    http.post(f"/aggregates/stock/{sku}/reserve-stock", json=reserve).raise_for_status()
    hold = {"order_id": order_id, "money": money(30)}
    position = http.post(f"/aggregates/account/{account}/hold-payment", json=hold).json()["position"]

    stock = get(http, "/stock", reserved_for=order_id, after=position)["stock"]
    accounts = get(http, "/accounts", held_for=order_id, after=position)["accounts"]

    assert [row["sku"] for row in stock] == [sku]
    [reservation] = get(http, f"/stock/{sku}")["reservations"]
    assert (reservation["order_id"], reservation["quantity"]) == (order_id, 2)
    assert [(row["balance"], row["held"], row["available"]) for row in accounts] == [(70, 30, 70)]
    [held] = get(http, f"/accounts/{account}")["holds"]
    assert (held["order_id"], held["amount"]) == (order_id, 30)


def test_stock_that_runs_low_is_listed(http: httpx.Client) -> None:
    low, enough = stock_of(http, 5), stock_of(http, 50)
    for sku in (low, enough):
        body = {"level": 20, "quantity": 30}
        answer = http.post(f"/aggregates/stock/{sku}/set-reorder-point", json=body)

    skus = {
        row["sku"]
        for row in get(http, "/stock", running_low="true", after=answer.json()["position"])["stock"]
    }

    assert low in skus
    assert enough not in skus


def test_the_statement_of_an_account_adds_up(http: httpx.Client, fulfilled: tuple[Json, str]) -> None:
    order, position = fulfilled
    account = order["customer_id"]

    statement = get(http, f"/accounts/{account}/statement", after=position)

    movements = statement["movements"]
    assert [each["kind"] for each in movements] == ["opened", "deposited", "held", "captured"]
    assert [each["change"] for each in movements] == [0, 1_000_000, -3000, 0]
    assert [each["balance"] for each in movements] == [0, 1_000_000, 997_000, 997_000]
    assert [each["held"] for each in movements] == [0, 0, 3000, 0]
    assert movements[2]["amount"] == money(3000)
    assert (movements[2]["order_id"], movements[2]["saga_id"]) == (
        order["order_id"],
        f"fulfil-order-{order['order_id']}",
    )
    events = get(http, f"/streams/account-{account}")["events"]
    assert [each["event_id"] for each in movements] == [event["event_id"] for event in events]
    assert (statement["balance"], statement["held"], statement["movement_count"]) == (997_000, 0, 4)
    only = get(http, f"/accounts/{account}/statement", order_id=order["order_id"], sort="-position")
    assert [each["kind"] for each in only["movements"]] == ["captured", "held"]


def test_pages_follow_each_other(http: httpx.Client) -> None:
    account = account_with(http, 0)
    for amount in range(1, 6):
        answer = http.post(f"/aggregates/account/{account}/deposit", json={"money": money(amount)})
    pages, after = [], answer.headers["Saga-Position"]

    while after is not None:
        page = get(http, f"/accounts/{account}/statement", limit=4, after=after)
        pages.append([each["change"] for each in page["movements"]])
        after = page["next"]

    assert pages == [[0, 1, 2, 3], [4, 5]]


def test_sagas_are_sorted_by_their_request_and_by_their_last_change(http: httpx.Client) -> None:
    first, second = unique("saga"), unique("saga")
    name = "transfer-funds"
    source, target = account_with(http, 100), account_with(http, 0)
    transfer = {"source": source, "target": target, "money": money(1)}
    for saga_id in (first, second):
        started = start(http, name, transfer, **{"Idempotency-Key": saga_id})
    assert started.json()["status"] == "completed"
    http.post(f"/sagas/{first}/compensate", json={"reason": "x"}).raise_for_status()
    # From here on it does not change its place in a list while that is paged through.
    until(lambda: http.get(f"/sagas/{first}").json()["status"] == "compensated")
    after = http.get(f"/sagas/{first}").headers["Saga-Position"]

    def listed(sort: str) -> list[str]:
        found, cursor = [], after
        while cursor is not None:
            page = get(http, "/sagas", sort=sort, name=name, limit=3, after=cursor)
            found += [saga["saga_id"] for saga in page["sagas"] if saga["saga_id"] in (first, second)]
            cursor = page["next"]
        return found

    assert listed("requested") == [first, second]
    assert listed("-requested") == [second, first]
    assert listed("updated") == [second, first]
    assert listed("-updated") == [first, second]


def test_what_is_not_there_is_404(http: httpx.Client) -> None:
    for path in ("/orders/none", "/stock/none", "/accounts/none", "/accounts/none/statement"):
        answer = http.get(path)

        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_every_answer_says_how_far_it_is(http: httpx.Client) -> None:
    answer = http.post(f"/aggregates/stock/{unique('sku')}/receive-stock", json={"quantity": 1})
    position, timeline = answer.headers["Saga-Position"].split("@")

    assert int(position) == answer.json()["position"]
    for path in ("/orders", "/stock", "/accounts", "/sagas", "/events"):
        seen = http.get(path, params={"after": position})
        if path != "/events":
            assert int(seen.headers["Saga-Position"].split("@")[0]) >= int(position)
        assert seen.headers["Saga-Position"].split("@")[1] == timeline


def test_a_position_that_is_not_reached_in_time_is_503(http: httpx.Client) -> None:
    for path in ("/orders", "/stock/11", "/accounts/shop/statement", "/sagas"):
        answer = http.get(path, params={"after": 2**39}, headers={"Prefer": "wait=0"})

        assert (answer.status_code, answer.json()["code"]) == (503, "read-model-behind")
        assert answer.headers["Retry-After"] == "1"
        assert answer.json()["read_model"] in ("orders", "stock", "accounts", "sagas")


def test_a_position_of_another_timeline_is_410(http: httpx.Client) -> None:
    for path in ("/orders", "/orders/none", "/stock", "/accounts/shop", "/sagas", "/events"):
        answer = http.get(path, params={"after": "1@999"})

        assert (answer.status_code, answer.json()["code"]) == (410, "other-timeline")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/orders?statsu=placed", "statsu"),
        ("/orders?status=happy", "status"),
        ("/orders?sort=colour", "sort"),
        ("/orders?limit=0", "limit"),
        ("/orders?customer_id=a%00b", "customer_id"),
        ("/orders?country=%00", "country"),
        ("/orders?placed_after=2026-01-31T12:00:00", "placed_after"),
        ("/orders?after=junk", "after"),
        ("/orders?after=-1", "after"),
        ("/orders?after=17@x", "after"),
        ("/orders?after=%00", "after"),
        ("/orders?after=" + "9" * 400, "after"),
        ("/orders?after=" + "x" * 501, "after"),
        ("/orders?after=é", "after"),
        ("/orders/10248?limit=5", "limit"),
        ("/orders/10248?after=WzEsMV0", "after"),
        ("/stock?running_low=perhaps", "running_low"),
        ("/stock/a%00b", "sku"),
        ("/accounts?currency=usd", "currency"),
        ("/accounts/shop/statement?kind=stolen", "kind"),
        ("/sagas?stauts=stuck", "stauts"),
        ("/sagas?sort=saga_id", "sort"),
    ],
)
def test_a_parameter_that_is_wrong_or_unknown_is_named(http: httpx.Client, path: str, field: str) -> None:
    answer = http.get(path)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_cursor_is_only_good_for_its_list_and_its_order(http: httpx.Client) -> None:
    for _ in range(2):
        answer = http.post(f"/aggregates/stock/{unique('sku')}/receive-stock", json={"quantity": 1})
    after = answer.headers["Saga-Position"]
    cursor = get(http, "/stock", limit=1, after=after)["next"]

    assert get(http, "/stock", limit=1, after=cursor)["stock"]
    for path in ("/accounts", "/stock?sort=-sku", "/stock?sort=on_hand", "/sagas"):
        assert http.get(path, params={"after": cursor, **dict(httpx.URL(path).params)}).status_code == 422
