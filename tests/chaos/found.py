"""What is there when a round is over: the log, and what read models, servers and other sides say of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, cast

from eventstore import RecordedEvent
from tests.recovery.shop import Look
from tests.simulation.ledger import Ledger

Json = dict[str, Any]
JOURNAL: Final = "saga-"


@dataclass
class Answers:
    """What clients and operators were told: ids of sagas, and of signals with the saga that took them.

    `accepted` were answered 2xx, `refused` 4xx.
    """

    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    signals: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Found:
    """The log in order of position, with `recorded_at` as a time, and what others say of the same things."""

    events: list[Json]
    bookings: list[Json]
    goods_orders: list[Json]
    answers: Answers
    stocks: dict[str, Json]
    """The states that a server answers, by SKU."""
    accounts: dict[str, Json]
    """Rows of the read model by account, as are the next two by SKU and order."""
    stock_rows: dict[str, Json]
    orders: dict[str, Json]
    sagas: dict[str, str]
    """The read model: statuses by saga id."""


@dataclass
class Saga:
    """One saga, as its journal tells it; `requests` should be one."""

    ledger: Ledger
    requests: list[Json] = field(default_factory=list)
    result: Any = None

    @property
    def name(self) -> str:
        return str(self.requests[0]["name"])

    @property
    def input(self) -> Json:
        given: Json = self.requests[0]["input"]
        return given

    @property
    def left_by_a_person(self) -> bool:
        """It ended with something that was neither done nor undone, or went on without it."""
        return self.ledger.ended == "abandoned" or self.ledger.skipped


def sagas_of(events: list[Json]) -> dict[str, Saga]:
    """By id, in the order in which they were requested."""
    sagas: dict[str, Saga] = {}
    for event in events:
        if not event["stream"].startswith(JOURNAL):
            continue
        saga_id = event["stream"].removeprefix(JOURNAL)
        saga = sagas.setdefault(saga_id, Saga(Ledger(saga_id)))
        saga.ledger.take(cast("RecordedEvent", SimpleNamespace(**event)))
        if event["type"] == "SagaRequested":
            saga.requests.append(event["data"])
        if event["type"] == "SagaCompleted":
            saga.result = event["data"]["result"]
    return sagas


def find(look: Look, outside: Look, state_of: Callable[[str], Json], answers: Answers) -> Found:
    """All of it. `outside` looks at the database of carrier and supplier; `state_of` asks a server for the
    state of a SKU."""
    stock_rows = look.rows("select * from readmodels.stock")
    orders = look.rows("select order_id, status, tracking from readmodels.orders")
    accounts = look.rows("select account_id, balance, held, movement_count from readmodels.accounts")
    sagas = look.rows("select saga_id, status from readmodels.sagas")
    return Found(
        events=look.rows("select * from eventstore.events order by position"),
        bookings=outside.bookings(),
        goods_orders=outside.rows("select * from sandbox.goods_orders"),
        answers=answers,
        stocks={row["sku"]: state_of(row["sku"]) for row in stock_rows},
        accounts={row["account_id"]: row for row in accounts},
        stock_rows={row["sku"]: row for row in stock_rows},
        orders={row["order_id"]: row for row in orders},
        sagas={row["saga_id"]: row["status"] for row in sagas},
    )


def behind(look: Look) -> bool:
    """A read model that is served, or a subscription, has not read the whole log."""
    query = """
        select count(*) from eventstore.checkpoints
         where position('@' in subscription) = 0
           and position < (select max(position) from eventstore.events)
    """
    return bool(look.value(query))
