"""What each role may do, of which sagas, who is then said to have done it, and what the log tells of it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from tests.acceptance.secured import Secured, fresh, refused, secured_server
from tests.acceptance.server import account_with, money, order_of, serving, start, stock_of, unique

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

REASON = {"reason": "trying"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def secured(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Secured]:
    with secured_server(postgres_server, template_database, "who_may") as found:
        yield found


@pytest.fixture(scope="module")
def operator(secured: Secured) -> httpx.Client:
    return secured.as_role(Role.OPERATOR)


def transfer(client: httpx.Client, operator: httpx.Client, **headers: str) -> httpx.Response:
    source, target = account_with(operator, 1000), account_with(operator, 0)
    body = {"source": source, "target": target, "money": money(100)}
    return start(client, "transfer-funds", body, **headers)


def test_a_reader_only_looks(secured: Secured, operator: httpx.Client) -> None:
    reader, saga_id = secured.as_role(Role.READER), transfer(operator, operator).json()["saga_id"]

    for path in (f"/sagas/{saga_id}", "/sagas", "/events", "/projections", "/docs", "/openapi.json"):
        assert reader.get(path).status_code == 200, path
    refused(transfer(reader, operator), 403, "role-too-low")
    for path in (f"/sagas/{saga_id}/compensate", "/sagas/bulk", "/aggregates/stock/1/receive-stock"):
        refused(reader.post(path, json=REASON), 403, "role-too-low")
    refused(reader.put("/sandbox/carrier/behaviour", json={"mode": "ok"}), 403, "role-too-low")
    refused(reader.post(f"/sagas/{saga_id}/compensate", content=b"not JSON"), 403, "role-too-low")


def test_an_operator_is_no_admin(secured: Secured, operator: httpx.Client) -> None:
    admin = secured.as_role(Role.ADMIN)

    for path in ("/subjects/NOBODY/forget", "/projections/orders/rebuild", "/projections/orders/discard"):
        refused(operator.post(path, json=REASON), 403, "role-too-low")
    assert admin.post("/subjects/NOBODY/forget", json=REASON).status_code == 200


def test_a_role_for_some_sagas(secured: Secured, operator: httpx.Client) -> None:
    clerk = secured.as_role(Role.OPERATOR, "transfer-funds")
    own = transfer(clerk, operator).raise_for_status().json()["saga_id"]
    account, sku = account_with(operator, 100_000), stock_of(operator, 5)
    other = start(operator, "fulfil-order", order_of(account, sku)).raise_for_status().json()["saga_id"]

    assert clerk.get(f"/sagas/{own}").status_code == 200
    assert clerk.get("/sagas", params={"name": "transfer-funds"}).status_code == 200
    assert clerk.post(f"/sagas/{own}/compensate", json=REASON).status_code in (200, 202)
    assert clerk.get("/sagas/no-such-saga").status_code == 404
    bulk = {"action": "retry", "reason": "x", "filter": {"ids": [own, other]}}
    refused(clerk.post("/sagas/bulk", json=bulk), 403, "wrong-saga")
    bulk["filter"] = {"ids": [own, other], "name": "transfer-funds"}
    answer = clerk.post("/sagas/bulk", json=bulk)
    assert other not in [each["saga_id"] for each in answer.json()["outcomes"] if each.get("status")]
    for answer in (
        start(clerk, "fulfil-order", order_of(account, sku)),
        clerk.post("/sagas/fulfil-order/batch", json={"sagas": [{"input": {}}]}),
        clerk.post(f"/sagas/{other}/compensate", json=REASON),
        clerk.get("/sagas"),
        clerk.get("/sagas", params={"name": "fulfil-order"}),
        *map(clerk.get, (f"/sagas/{other}", f"/sagas/{other}/journal", f"/sagas/{other}/watch")),
        *map(clerk.get, ("/events", f"/streams/saga-{other}", f"/aggregates/account/{account}", "/orders")),
        clerk.get(f"/sagas/{own}/at", params={"position": 1}),
    ):
        refused(answer, 403, "wrong-saga")


SAID = [
    {"X-Actor": "mallory"},
    {"x-actor": "mallory"},
    {"X_Actor": "mallory"},
    {"X-ACTOR": "mallory", "X-Remote-User": "mallory"},
]


@pytest.mark.parametrize("headers", SAID)
def test_no_header_says_who_did_it(secured: Secured, headers: dict[str, str]) -> None:
    name, token = secured.token(Role.OPERATOR)
    client = secured.client(token, **headers)

    saga_id = transfer(client, client).raise_for_status().json()["saga_id"]
    client.post(f"/sagas/{saga_id}/compensate", json=REASON).raise_for_status()

    assert actors(client, saga_id) == {f"token:{name}"}


def test_a_header_that_is_sent_twice_says_nothing_either(secured: Secured) -> None:
    name, token = secured.token(Role.OPERATOR)
    headers = [("Authorization", f"Bearer {token}"), ("X-Actor", "eve"), ("x-actor", "mallory")]
    client = secured.client(token)
    account = unique("account")

    url = f"{secured.server.url}/aggregates/account/{account}/open-account"
    httpx.post(url, json={"currency": "USD"}, headers=headers).raise_for_status()

    events = client.get(f"/streams/account-{account}").json()["events"]
    assert [event["metadata"]["actor"] for event in events] == [f"token:{name}"]


def actors(client: httpx.Client, saga_id: str) -> set[str]:
    """Everybody whom the journal names."""
    entries = client.get(f"/sagas/{saga_id}/journal").json()["entries"]
    named = [entry["metadata"].get("actor") for entry in entries]
    return {name for name in (*named, *(entry["data"].get("actor") for entry in entries)) if name}


def test_the_document_says_that_a_token_is_taken(operator: httpx.Client) -> None:
    document = operator.get("/openapi.json").json()

    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {"401", "403"} <= set(document["paths"]["/sagas"]["get"]["responses"])
    assert "401" not in document["paths"]["/health/live"]["get"]["responses"]


def test_a_server_shows_a_token_to_the_sandbox_of_another(
    secured: Secured, postgres_server: EmbeddedPostgres, template_database: str
) -> None:
    _, token = secured.token(Role.OPERATOR)
    there = {"SAGA_CARRIER_URL": f"{secured.server.url}/sandbox/carrier", "SAGA_CARRIER_TOKEN": token}
    database = fresh(postgres_server, template_database, "who_calls")

    with database as (url, owner), serving(url, owner, **there) as server:
        client = secured.client_of(server)
        client.post("/aggregates/account/shop/open-account", json={"currency": "USD"})
        order = order_of(account_with(client, 100_000), stock_of(client, 5))

        assert start(client, "fulfil-order", order).json()["status"] == "completed"
        booked = secured.client(token).get("/sandbox/carrier/bookings")
        assert order["order_id"] in booked.text


def test_no_secret_is_in_the_log(secured: Secured, operator: httpx.Client) -> None:
    """Everything is logged: the level is DEBUG. Orders call the carrier, so own tokens travel as well."""
    _, token = secured.token(Role.OPERATOR)
    client = secured.client(token)
    client.post("/aggregates/account/shop/open-account", json={"currency": "USD"})
    order = order_of(account_with(client, 100_000), stock_of(client, 5))
    assert start(client, "fulfil-order", order).json()["status"] == "completed"
    client.get(f"/nowhere?token={token}")
    secured.client(f"{token[:-1]}x").get("/sagas")

    log = secured.server.log.read_text()

    assert len(log) > 10_000
    assert token[:40] not in log
    assert "saga_" + token[5:15] not in log
    assert "Bearer saga" not in log
