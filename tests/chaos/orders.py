"""The books of orders and their returns, kept anew from the log by no code of the product."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from app.demo.checks import Check
from tests.chaos.found import Found, Json, Saga


@dataclass
class Order:
    """One order, with its returns. `by` is the saga that placed it."""

    status: str = "new"
    by: str | None = None
    lines: Counter[str] = field(default_factory=Counter)
    tracking: str | None = None
    returns: dict[str, str] = field(default_factory=dict)
    asked_back: dict[str, Counter[str]] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    total: int = 0

    def take(self, event: Json) -> bool:
        """One event more; whether it may come now."""
        data = event["data"]
        match event["type"], self.status:
            case "OrderPlaced", "new":
                self.status, self.by = "placed", event["metadata"].get("saga_id")
                self.lines, self.total = quantities(data["lines"]), data["total"]["amount"]
            case "OrderCancelled", "placed":
                self.status = "cancelled"
            case "OrderCompleted", "placed":
                self.status = "completed"
            case "ShipmentDispatched", "placed" if self.tracking is None:
                self.tracking = data["tracking"]
            case "ReturnRequested", status if data["return_id"] not in self.returns:
                self.returns[data["return_id"]] = "requested"
                self.asked_back[data["return_id"]] = quantities(data["lines"])
                self.refunds[data["return_id"]] = data["refund"]["amount"]
                return status == "completed" and self.coming_back("requested", "closed") <= self.lines
            case "ReturnRefused" | "ReturnExpired" | "ReturnClosed" | "ReturnCancelled" as kind, _:
                before = self.returns.get(data["return_id"])
                self.returns[data["return_id"]] = kind.removeprefix("Return").lower()
                return before == "requested" or (kind == "ReturnCancelled" and before == "closed")
            case _:
                return False
        return True

    def coming_back(self, *statuses: str) -> Counter[str]:
        """The quantities of the returns that are so."""
        lines = [self.asked_back[name] for name, status in self.returns.items() if status in statuses]
        return sum(lines, Counter[str]())

    @property
    def row(self) -> tuple[str, str | None]:
        """Status and parcel as the read model has them."""
        if self.status == "placed" and self.tracking:
            return "dispatched", self.tracking
        if self.status == "completed" and self.lines <= self.coming_back("closed"):
            return "returned", self.tracking
        return self.status, self.tracking


def quantities(lines: list[Json]) -> Counter[str]:
    """How many of each SKU."""
    return Counter({line["sku"]: line["quantity"] for line in lines})


@dataclass
class Orders:
    """All orders, kept up to the last event. `faults` are events that came out of turn."""

    by_id: dict[str, Order] = field(default_factory=lambda: defaultdict(Order))
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, events: list[Json]) -> "Orders":
        kept = cls()
        for event in events:
            if not event["stream"].startswith(("order-", "shipment-")):
                continue
            order_id = event["data"]["order_id"]
            if not kept.by_id[order_id].take(event):
                kept.faults.append(f"at {event['position']}: {event['type']} of {kept.by_id[order_id]}")
        return kept


def orders_are_in_order(found: Found, sagas: dict[str, Saga]) -> Check:
    """Each is placed once, by its saga; then completed or cancelled; no more comes back than was bought. The
    read model has the same."""
    orders = Orders.of(found.events)
    faults = list(orders.faults)
    for order_id, order in orders.by_id.items():
        saga = sagas.get(order.by or "")
        if saga is None or saga.name != "fulfil-order" or saga.input["order_id"] != order_id:
            faults.append(f"{order_id} was placed by {order.by}, which is not its saga")
        row = found.orders.get(order_id, {})
        if (row.get("status"), row.get("tracking")) != order.row:
            faults.append(f"the read model says of {order_id} {row}, the log {order.row}")
    faults += [f"the read model has {name}, the log has not" for name in found.orders.keys() - orders.by_id]
    counts = Counter(order.status for order in orders.by_id.values())
    figure = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    return Check("orders are in order", figure, faults)
