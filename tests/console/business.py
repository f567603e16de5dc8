"""A shop with sagas in every state, made over the API as anybody would: for tests and screenshots."""

from dataclasses import dataclass

import httpx

from tests.acceptance.server import Json, money, start, until

SHELF = {"teapot": 2_400, "cups": 1_850, "kettle": 6_900}


@dataclass(frozen=True)
class Business:
    """The ids of a saga in each state."""

    order: str
    """Completed, with a branch for each of its three lines."""
    transfer: str
    compensated: str
    """An order that the carrier refused."""
    waiting: str
    """A return that waits for an approval."""
    stuck: str
    """A transfer that cannot be undone: what it brought was spent."""
    queued: str
    """A transfer of the far future."""


def open_business(http: httpx.Client) -> Business:
    """Open the shop and let it have its day."""
    for account, amount in (("shop", 0), ("ana", 2_000_000), ("ben", 900_000), ("chloe", 0), ("till", 0)):
        _command(http, "account", account, "open-account", {"currency": "USD"})
        if amount:
            _command(http, "account", account, "deposit", {"money": money(amount)})
    for sku in SHELF:
        _command(http, "stock", sku, "receive-stock", {"quantity": 500})
    order = _ended(http, "fulfil-order", _order("1001", "ana", *SHELF), "completed")
    _ended(http, "fulfil-order", _order("1002", "ben", "teapot"), "completed")
    transfer = _ended(
        http, "transfer-funds", _transfer("ana", "ben", 12_500), "completed", key="rent-november"
    )
    business = Business(
        order=order,
        transfer=transfer,
        compensated=_refused_by_the_carrier(http),
        waiting=_waiting(http),
        stuck=_stuck(http),
        queued=_queued(http),
    )
    # The journals say it already; the list is a moment behind.
    until(lambda: _listed(http, "stuck") == {business.stuck} and business.queued in _listed(http, "queued"))
    return business


def _listed(http: httpx.Client, status: str) -> set[str]:
    answer = http.get("/sagas", params={"status": status}).raise_for_status().json()
    return {saga["saga_id"] for saga in answer["sagas"]}


def _command(http: httpx.Client, category: str, key: str, command: str, body: Json) -> None:
    http.post(f"/aggregates/{category}/{key}/{command}", json=body).raise_for_status()


def _order(order_id: str, customer: str, *skus: str, country: str = "France") -> Json:
    return {
        "order_id": order_id,
        "customer_id": customer,
        "ship_to": {"name": customer.title(), "country": country},
        "lines": [{"sku": sku, "quantity": 2, "unit_price": money(SHELF[sku])} for sku in skus],
    }


def _transfer(source: str, target: str, amount: int) -> Json:
    return {"source": source, "target": target, "money": money(amount)}


def _ended(http: httpx.Client, name: str, body: Json, status: str, key: str | None = None) -> str:
    """The id of a saga that has come to this status."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = start(http, name, body, **headers).raise_for_status().json()
    assert answer["status"] == status, answer
    saga_id: str = answer["saga_id"]
    return saga_id


def _refused_by_the_carrier(http: httpx.Client) -> str:
    behaviour = {"mode": "refuse", "times": 1, "order_id": "1003"}
    http.put("/sandbox/carrier/behaviour", json=behaviour).raise_for_status()
    return _ended(http, "fulfil-order", _order("1003", "ana", "kettle", "cups"), "compensated")


def _waiting(http: httpx.Client) -> str:
    body = {
        "order_id": "1002",
        "customer_id": "ben",
        "lines": [{"sku": "teapot", "quantity": 1}],
        "reason": "the lid is cracked",
    }
    return _in_status(http, _started(http, "return-order", body), "waiting")


def _stuck(http: httpx.Client) -> str:
    saga_id = _ended(http, "transfer-funds", _transfer("ben", "chloe", 70_000), "completed", key="gift-chloe")
    _ended(http, "transfer-funds", _transfer("chloe", "till", 70_000), "completed", key="chloe-spends-it")
    undo = {"reason": "sent to the wrong person"}
    http.post(f"/sagas/{saga_id}/compensate", json=undo).raise_for_status()
    return _in_status(http, saga_id, "stuck")


def _queued(http: httpx.Client) -> str:
    later = {"at": "2099-01-01T00:00:00Z"}
    return _started(http, "transfer-funds", _transfer("ana", "till", 100), key="new-year-2099", **later)


def _started(http: httpx.Client, name: str, body: Json, key: str | None = None, **query: str) -> str:
    headers = {"Idempotency-Key": key} if key else {}
    answer = http.post(f"/sagas/{name}", json=body, headers=headers, params=query).raise_for_status()
    saga_id: str = answer.json()["saga_id"]
    return saga_id


def _in_status(http: httpx.Client, saga_id: str, status: str) -> str:
    until(lambda: http.get(f"/sagas/{saga_id}").raise_for_status().json()["status"] == status)
    return saga_id
