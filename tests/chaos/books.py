"""The books of money and stock, kept anew from the log by no code of the product.

Each event takes goods from one place and gives them to another: so what was received is on hand, reserved or
shipped at every position, if nothing is ever taken from where it is not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from app.demo.checks import Check
from tests.chaos.found import JOURNAL, Found, Json

MOVES: Final = {
    "MoneyDeposited": (1, 0), "MoneyWithdrawn": (-1, 0), "PaymentHeld": (-1, 1), "PaymentReleased": (1, -1),
    "PaymentCaptured": (0, -1), "PaymentRefunded": (1, 0),
}  # fmt: skip
"""What an event does to the balance and to the holds; the rest is in transit, or came from outside."""


def money_is_conserved(found: Found) -> Check:
    """After each append: nothing below zero, no saga gives what it has not taken. The read model agrees.

    A saga of which a person skipped something gives or keeps what that would have moved: it is left out.
    """
    accounts: dict[str, Counter[str]] = defaultdict(Counter)
    transit, skipped, faults, places = Counter[str](), set[str](), list[str](), 0
    for position, append in groupby(found.events, key=lambda event: event["commit_position"]):
        touched = set()
        for event in append:
            if event["type"] == "StepSkipped":
                skipped.add(event["stream"].removeprefix(JOURNAL))
            if event["stream"].startswith("account-"):
                accounts[event["data"]["account_id"]]["movement_count"] += 1
            if event["type"] not in MOVES:
                continue
            amount, (balance, held) = event["data"]["money"]["amount"], MOVES[event["type"]]
            account, saga_id = event["data"]["account_id"], event["metadata"].get("saga_id")
            accounts[account]["balance"] += balance * amount
            accounts[account]["held"] += held * amount
            if saga_id:
                transit[saga_id] -= (balance + held) * amount
            touched.add((account, saga_id))
        places += bool(touched)
        for account, saga_id in touched:
            below = min(accounts[account]["balance"], accounts[account]["held"]) < 0
            if below or (transit[saga_id] < 0 and saga_id not in skipped):
                sums = dict(accounts[account])
                faults.append(f"at {position}: {saga_id}: {account} {sums}, in transit {transit[saga_id]}")
    for account, sums in accounts.items():
        said = found.accounts.get(account, {})
        if any(said.get(name) != sums[name] for name in ("balance", "held", "movement_count")):
            faults.append(f"the read model says of {account} {said}, the log {dict(sums)}")
    return Check("money is conserved at every position", f"{places} appends that move money", faults)


OUTSIDE: Final = "received"
GOODS: Final = {
    "StockReceived": (OUTSIDE, "on_hand"), "StockReserved": ("on_hand", "reserved"),
    "StockReleased": ("reserved", "on_hand"), "StockShipped": ("reserved", "shipped"),
    "StockRestocked": ("shipped", "on_hand"), "RestockRevoked": ("on_hand", "shipped"),
}  # fmt: skip
"""From where an event takes goods, and where it puts them: on hand, or reserved or shipped for an order."""

Place = tuple[str, str | None]


def move_of(event: Json) -> tuple[Place, Place] | None:
    """The places of an event that moves goods, each with its order."""
    if event["type"] not in GOODS:
        return None
    source, target = GOODS[event["type"]]
    order = event["data"].get("order_id")
    return (source, _order(source, order)), (target, _order(target, order))


def _order(place: str, order: str | None) -> str | None:
    return order if place in ("reserved", "shipped") else None


def stock_is_conserved(found: Found) -> Check:
    """At each position no place has less than nothing, order by order; in the end all is where the server and
    the read model say. What the stock says of itself when it runs low is so."""
    skus: dict[str, Counter[Place]] = defaultdict(Counter)
    faults, count = list[str](), 0
    for event in found.events:
        data = event["data"]
        if event["type"] == "StockRanLow" and data["on_hand"] != skus[data["sku"]]["on_hand", None]:
            faults.append(f"at {event['position']}: {data} is said of {dict(skus[data['sku']])}")
        if (move := move_of(event)) is None:
            continue
        count += 1
        source, target = move
        places, quantity = skus[data["sku"]], data["quantity"]
        places[source] -= quantity
        places[target] += quantity
        if min(quantity, places[target]) < 0 or (source[0] != OUTSIDE and places[source] < 0):
            faults.append(f"at {event['position']}: {event['type']} {data}: {dict(places)}")
    for sku, places in skus.items():
        faults += _differences(sku, places, found)
    faults += [f"the read model has {sku}, the log has not" for sku in found.stock_rows.keys() - skus.keys()]
    return Check("stock is conserved at every position", f"{count} events, {len(skus)} SKUs", faults)


def _differences(sku: str, places: Counter[Place], found: Found) -> list[str]:
    """What the server and the read model say differently."""
    reserved = {order: n for (place, order), n in places.items() if place == "reserved" and n}
    shipped = sum(n for (place, _), n in places.items() if place == "shipped")
    kept: Json = {"received": -places[OUTSIDE, None], "on_hand": places["on_hand", None], "shipped": shipped}
    wanted = {"the server": kept | {"reserved": reserved}, "the read model": kept}
    wanted["the read model"] |= {"reserved": sum(reserved.values())}
    said = {"the server": found.stocks.get(sku, {}), "the read model": found.stock_rows.get(sku, {})}
    return [
        f"{who} says of {sku} {said[who]}, the log {wanted[who]}"
        for who in wanted
        if {name: said[who].get(name) for name in wanted[who]} != wanted[who]
    ]


Effects = Counter[tuple[Any, ...]]
"""What a saga moved, all in all: money by account, goods by SKU and place. Zeros do not count."""


def effects_of(events: list[Json]) -> dict[str, Effects]:
    """By saga."""
    effects: dict[str, Effects] = defaultdict(Counter)
    for event in events:
        for what, amount in _moved(event):
            effects[event["metadata"].get("saga_id", "")][what] += amount
    return effects


def _moved(event: Json) -> Iterator[tuple[tuple[Any, ...], int]]:
    data = event["data"]
    if event["type"] in MOVES:
        for place, sign in zip(("balance", "held"), MOVES[event["type"]], strict=True):
            yield (data["account_id"], place), sign * data["money"]["amount"]
    if (move := move_of(event)) is not None:
        for (place, order), sign in zip(move, (-1, 1), strict=True):
            yield (data["sku"], place, order), sign * data["quantity"]
