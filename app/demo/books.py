"""The books of the shop: what must balance whatever happened to the orders.

The arithmetic is done anew from the events, and compared with the states that the server answers.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from app.demo.checks import Check
from app.demo.client import Json
from app.demo.evidence import Evidence
from app.demo.journals import Journal

Amounts = dict[str, int]
"""Minor units by currency."""

TRANSIT: Final = {"PaymentCaptured": 1, "MoneyWithdrawn": 1, "PaymentRefunded": -1, "MoneyDeposited": -1}
"""What an event of a saga does to the money that is on its way: out of one account, not yet in another."""

COMPLETED_ONCE: Final = (
    "OrderPlaced", "PaymentHeld", "PaymentCaptured", "MoneyDeposited", "ShipmentDispatched", "OrderCompleted",
)  # fmt: skip
UNDONE_BY: Final = (
    (("OrderPlaced",), ("OrderCancelled",)),
    (("StockReserved",), ("StockReleased",)),
    (("PaymentHeld",), ("PaymentReleased", "PaymentCaptured")),
    (("PaymentCaptured",), ("PaymentRefunded",)),
    (("MoneyDeposited",), ("MoneyWithdrawn",)),
)
"""In a refused order there are as many events of the first kinds as of the second."""
SAID_BESIDE: Final = ("StockRanLow",)
"""What an aggregate adds on its own account to what it was asked for."""
NEVER_REFUSED: Final = ("StockShipped", "ShipmentDispatched", "OrderCompleted")


def check_books(evidence: Evidence, saga_ids: Collection[str]) -> list[Check]:
    """All checks of this module; `saga_ids` are sagas that fulfil an order."""
    orders = [evidence.journals[saga_id] for saga_id in saga_ids if saga_id in evidence.journals]
    return [
        money_is_conserved(evidence),
        no_money_is_in_transit(evidence),
        stock_is_conserved(evidence),
        orders_left_what_they_should(evidence, orders),
        carrier_comes_once(evidence, orders),
    ]


def money_is_conserved(evidence: Evidence) -> Check:
    """Per currency: balances + holds + in transit = what came in from outside - what went out."""
    inside: Amounts = defaultdict(int)
    for state in evidence.accounts.values():
        inside[state["currency"]] += state["balance"] + sum(state["holds"].values())
    on_the_way = _sum(_transit(evidence).values())
    outside = _from_outside(evidence.domain_events)
    faults = [
        f"{currency}: {outside.get(currency, 0)} came in, {inside.get(currency, 0)} in accounts, "
        f"{on_the_way.get(currency, 0)} in transit"
        for currency in sorted(inside.keys() | outside.keys())
        if outside.get(currency, 0) != inside.get(currency, 0) + on_the_way.get(currency, 0)
    ]
    figure = ", ".join(
        f"{currency} {amount / 100:,.2f}" for currency, amount in sorted(inside.items()) if currency
    )
    return Check("money is conserved", f"{figure} in {len(evidence.accounts)} accounts", faults)


def no_money_is_in_transit(evidence: Evidence) -> Check:
    """A saga that has ended has put all the money that it took somewhere."""
    transit = _transit(evidence)
    faults = [
        f"{saga_id} has ended and holds {amount} {currency}"
        for saga_id, amounts in transit.items()
        for currency, amount in amounts.items()
        if amount and saga_id in evidence.journals and evidence.journals[saga_id].ended
    ]
    moved = sum(event["type"] in TRANSIT for event in evidence.domain_events)
    return Check("no ended saga holds money", f"{moved} movements", faults)


def stock_is_conserved(evidence: Evidence) -> Check:
    """Per SKU: on hand + reserved + shipped = received, and received and shipped are what the events say.

    What customers sent back is no longer shipped.
    """
    received = _quantities(evidence.domain_events, "StockReceived")
    shipped = _quantities(evidence.domain_events, "StockShipped")
    shipped.update(_quantities(evidence.domain_events, "RestockRevoked"))
    shipped.subtract(_quantities(evidence.domain_events, "StockRestocked"))
    faults = [
        f"{sku}: {state}, but {received[sku]} received and {shipped[sku]} shipped in the events"
        for sku, state in evidence.stocks.items()
        if (state["received"], state["shipped"]) != (received[sku], shipped[sku])
        or state["on_hand"] + sum(state["reserved"].values()) + state["shipped"] != state["received"]
        or state["on_hand"] < 0
    ]
    figure = f"{received.total()} received, {shipped.total()} shipped of {len(evidence.stocks)} SKUs"
    return Check("stock is conserved", figure, faults)


def orders_left_what_they_should(evidence: Evidence, orders: Iterable[Journal]) -> Check:
    """A completed order left each of its events once, a refused one as many undone as done."""
    by_saga: dict[str, Counter[str]] = defaultdict(Counter)
    for event in evidence.domain_events:
        saga_id = event["metadata"].get("saga_id")
        if saga_id and event["type"] not in SAID_BESIDE:
            by_saga[saga_id][event["type"]] += 1
    faults, completed = [], 0
    for order in orders:
        counts, lines = by_saga[order.saga_id], len(order.input["lines"])
        completed += order.status == "completed"
        if order.status == "completed":
            wrong = counts != _counts_of_completed(lines)
        else:
            wrong = order.status == "compensated" and not _is_undone(counts)
        if wrong:
            faults.append(f"{order.saga_id} is {order.status} and left {dict(counts)}")
        faults += _held_for(evidence, order) if order.ended else []
    return Check("each order left what it should", f"{completed} delivered", faults)


def carrier_comes_once(evidence: Evidence, orders: Iterable[Journal]) -> Check:
    """One booking for each completed order, under the number of its shipment; none for the others."""
    booked: dict[str, list[str]] = defaultdict(list)
    for booking in evidence.bookings:
        if booking["status"] == "booked":
            booked[booking["order_id"]].append(booking["tracking"])
    dispatched: dict[str, list[str]] = defaultdict(list)
    for event in evidence.domain_events:
        if event["type"] == "ShipmentDispatched":
            dispatched[event["data"]["order_id"]].append(event["data"]["tracking"])
    faults, expected = [], 0
    for order in (order for order in orders if order.ended):
        order_id, count = order.input["order_id"], int(order.status == "completed")
        expected += count
        if booked[order_id] != dispatched[order_id] or len(booked[order_id]) != count:
            faults.append(f"{order_id} is {order.status}, its bookings are {booked[order_id]}")
    cancelled = sum(booking["status"] == "cancelled" for booking in evidence.bookings)
    return Check(
        "the carrier comes once for each", f"{expected} booked, {cancelled} cancelled in all", faults
    )


def _transit(evidence: Evidence) -> dict[str, Amounts]:
    """The money that each saga has taken out of accounts and not put into one."""
    transit: dict[str, Amounts] = defaultdict(lambda: defaultdict(int))
    for event in evidence.domain_events:
        saga_id = event["metadata"].get("saga_id")
        if saga_id and (sign := TRANSIT.get(event["type"])):
            money = event["data"]["money"]
            transit[saga_id][money["currency"]] += sign * money["amount"]
    return transit


def _from_outside(events: Iterable[Json]) -> Amounts:
    """Deposits minus withdrawals that no saga made."""
    amounts: Amounts = defaultdict(int)
    for event in events:
        if event["type"] in ("MoneyDeposited", "MoneyWithdrawn") and not event["metadata"].get("saga_id"):
            money = event["data"]["money"]
            amounts[money["currency"]] -= TRANSIT[event["type"]] * money["amount"]
    return amounts


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    total: Amounts = defaultdict(int)
    for each in amounts:
        for currency, amount in each.items():
            total[currency] += amount
    return total


def _quantities(events: Iterable[Json], kind: str) -> Counter[str]:
    quantities: Counter[str] = Counter()
    for event in events:
        if event["type"] == kind:
            quantities[event["data"]["sku"]] += event["data"]["quantity"]
    return quantities


def _counts_of_completed(lines: int) -> Counter[str]:
    return Counter(dict.fromkeys(COMPLETED_ONCE, 1) | {"StockReserved": lines, "StockShipped": lines})


def _is_undone(counts: Counter[str]) -> bool:
    balanced = all(_count(counts, done) == _count(counts, undone) for done, undone in UNDONE_BY)
    return balanced and not _count(counts, NEVER_REFUSED)


def _count(counts: Counter[str], kinds: Iterable[str]) -> int:
    return sum(counts[kind] for kind in kinds)


def _held_for(evidence: Evidence, order: Journal) -> list[str]:
    """Money and goods that are still set aside for an order that has ended."""
    order_id = order.input["order_id"]
    held = [f"account {key}" for key, state in evidence.accounts.items() if order_id in state["holds"]]
    held += [f"stock {key}" for key, state in evidence.stocks.items() if order_id in state["reserved"]]
    return [f"{order.saga_id} has ended, and {place} still holds something for it" for place in held]
