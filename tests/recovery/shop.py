"""A shop to send orders to, and what must be true of its books whatever happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from dbos import DBOSClient
from psycopg.rows import dict_row

from tests.acceptance.server import Json, money, until
from tests.conftest import Database
from workflows.saga.runs import APPLICATION

FUNDS, STOCK, PRICE = 1_000_000, 1_000, 100


def open_account(http: httpx.Client, account: str, amount: int = 0) -> None:
    http.post(f"/aggregates/account/{account}/open-account", json={"currency": "USD"}).raise_for_status()
    if amount:
        deposit = {"money": money(amount)}
        http.post(f"/aggregates/account/{account}/deposit", json=deposit).raise_for_status()


def receive_stock(http: httpx.Client, sku: str, quantity: int = STOCK) -> None:
    http.post(f"/aggregates/stock/{sku}/receive-stock", json={"quantity": quantity}).raise_for_status()


def open_shop(http: httpx.Client, *, takes_money: bool = True) -> None:
    """A customer `ana` with money, and two articles, `tea` and `cup`. Without an account the shop takes no
    money, and every order is compensated late."""
    if takes_money:
        open_account(http, "shop")
    open_account(http, "ana", FUNDS)
    receive_stock(http, "tea")
    receive_stock(http, "cup")


def order(order_id: str, customer: str = "ana", skus: tuple[str, ...] = ("tea", "cup")) -> Json:
    """One piece of each article."""
    lines = [{"sku": sku, "quantity": 1, "unit_price": money(PRICE)} for sku in skus]
    ship_to = {"name": "Ana", "country": "Peru"}
    return {"order_id": order_id, "customer_id": customer, "ship_to": ship_to, "lines": lines}


def saga_of(order_id: str) -> str:
    return f"fulfil-order-{order_id}"


def place(http: httpx.Client, asked: Json) -> str:
    """Start the saga of an order, as a client does that tries again when it got no answer; its id."""
    http.post("/sagas/fulfil-order", json=asked).raise_for_status()
    return saga_of(asked["order_id"])


def place_in_the_end(http: httpx.Client, asked: Json) -> str:
    """Start the saga of an order, as a client does that comes again when it is told to; its id."""
    until(lambda: is_taken(http, "/sagas/fulfil-order", asked, 200, 202))
    return saga_of(asked["order_id"])


def place_together(http: httpx.Client, orders: list[Json]) -> None:
    """Start the sagas of these orders in one request, as such a client does."""
    batch = {"sagas": [{"input": each} for each in orders]}
    until(lambda: is_taken(http, "/sagas/fulfil-order/batch", batch, 202))


def is_taken(http: httpx.Client, path: str, body: Json, *statuses: int) -> bool:
    """Whether it is answered by one of these; else the client is told to come again."""
    answer = http.post(path, json=body)
    assert answer.status_code in (*statuses, 503), answer.text
    return answer.status_code in statuses


def saga(http: httpx.Client, saga_id: str) -> Json:
    found: Json = http.get(f"/sagas/{saga_id}").raise_for_status().json()
    return found


def await_end(http: httpx.Client, *saga_ids: str, seconds: float = 120) -> None:
    """Wait until each of the sagas has ended."""
    until(lambda: all(saga(http, saga_id)["ended_at"] for saga_id in saga_ids), seconds)


def behave(http: httpx.Client, **behaviour: Any) -> None:
    """Tell the sandbox carrier of this server's database what to do."""
    http.put("/sandbox/carrier/behaviour", json=behaviour).raise_for_status()


def state(http: httpx.Client, category: str, key: str) -> Json:
    found: Json = http.get(f"/aggregates/{category}/{key}").raise_for_status().json()["state"]
    return found


@contextmanager
def dbos_of(database: Database) -> Iterator[DBOSClient]:
    """DBOS by its public API, in the hands of somebody who does not know our rules."""
    url = "postgresql+psycopg://" + database.admin_url.removeprefix("postgresql://")
    client = DBOSClient(system_database_url=url, application_name=APPLICATION)
    try:
        yield client
    finally:
        client.destroy()


@dataclass(frozen=True)
class Look:
    """Looks into a database, past the server."""

    database: Database

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database.admin_url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def value(self, query: str, **values: Any) -> Any:
        [row] = self.rows(query, **values)
        [value] = row.values()
        return value

    def events(self, saga_id: str) -> list[dict[str, Any]]:
        """All that a saga wrote, journal and aggregates, stream by stream."""
        return self.rows(
            """
            select stream, version, position, commit_position, type, data from eventstore.events
             where metadata->>'correlation_id' = %(saga_id)s order by stream, version
            """,
            saga_id=saga_id,
        )

    def journal(self, saga_id: str, *types: str) -> list[dict[str, Any]]:
        """Entries of a journal, all or those of some types."""
        entries = [event for event in self.events(saga_id) if event["stream"] == f"saga-{saga_id}"]
        return [entry for entry in entries if not types or entry["type"] in types]

    def steps_done_twice(self) -> list[dict[str, Any]]:
        """Steps that succeeded, or were undone, more than once: deciders hide that from the aggregates."""
        return self.rows(
            """
            select stream, data->>'step' as step, type from eventstore.events
             where stream like 'saga-%%' and type in ('StepSucceeded', 'StepCompensated')
             group by 1, 2, 3 having count(*) > 1
            """
        )

    def runs(self, *statuses: str, executor: str | None = None) -> list[str]:
        """DBOS's rows of these statuses, of one executor or all."""
        rows = self.rows(
            """
            select workflow_uuid from dbos.workflow_status
             where status = any(%(statuses)s) and (executor_id = %(executor)s or %(executor)s::text is null)
            """,
            statuses=list(statuses),
            executor=executor,
        )
        return [row["workflow_uuid"] for row in rows]

    def await_no_run(self, executor: str | None = None) -> None:
        """Wait until no run of one executor, or of all, is left: a saga ends before its run does."""
        until(lambda: not self.runs("PENDING", "ENQUEUED", executor=executor))
        assert not self.runs("ERROR", executor=executor)

    def executors(self, *, buried: bool | None = None) -> list[str]:
        """Executor ids in the order of their starts: all, the buried or the others."""
        rows = self.rows("select executor_id, buried_at from eventstore.executors order by number")
        return [
            row["executor_id"] for row in rows if buried is None or (row["buried_at"] is not None) == buried
        ]

    def bookings(self, order_id: str | None = None) -> list[dict[str, Any]]:
        """All that the sandbox carrier on this database has booked, tombstones included; or of one order."""
        return self.rows(
            "select * from sandbox.bookings where order_id = %(order_id)s or %(order_id)s::text is null",
            order_id=order_id,
        )


@dataclass(frozen=True)
class Carrier:
    """A sandbox carrier, by its address (SAGA_CARRIER_URL) and what it has booked."""

    url: str
    look: Look

    def behave(self, **behaviour: Any) -> None:
        """Tell it what to do from now on."""
        httpx.put(f"{self.url}/behaviour", json=behaviour).raise_for_status()

    def requests_since(self, times: int) -> int:
        """Bookings that were asked for since it was told how to treat so many."""
        left: int = httpx.get(f"{self.url}/behaviour").raise_for_status().json()["times"]
        return times - left


def assert_books_balance(http: httpx.Client, completed: int) -> None:
    """Exactly the completed orders were paid and shipped, and nothing is left in the middle."""
    paid = 2 * PRICE * completed
    ana = state(http, "account", "ana")
    assert (ana["balance"], ana["holds"]) == (FUNDS - paid, {})
    assert not paid or state(http, "account", "shop")["balance"] == paid
    for sku in ("tea", "cup"):
        stock = state(http, "stock", sku)
        assert (stock["on_hand"], stock["reserved"], stock["shipped"]) == (STOCK - completed, {}, completed)
