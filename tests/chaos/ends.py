"""What the end of a saga means for the books: what must have moved, and how its order must stand."""

from collections import Counter
from typing import Final

from app.demo.checks import Check
from tests.chaos.books import OUTSIDE, Effects, effects_of
from tests.chaos.found import Found, Saga
from tests.chaos.orders import Orders, quantities

SHOP: Final = "shop"
AFTER: Final = {"returned": "closed", "refused": "refused", "expired": "expired"}
"""The status of a return after the outcome of its saga."""


def ends_fit_the_books(found: Found, sagas: dict[str, Saga]) -> Check:
    """A completed saga moved just what it is for, a compensated one nothing; their orders stand as they say.

    What a person abandoned or skipped may be anything in between, unless it says that nothing was left.
    """
    orders, effects = Orders.of(found.events), effects_of(found.events)
    booked = {each["tracking"] for each in found.bookings if each["status"] == "booked"}
    faults, counts = list[str](), Counter[str]()
    for saga_id, saga in sagas.items():
        moved = {what: amount for what, amount in effects[saga_id].items() if amount}
        if saga.left_by_a_person and (saga.ledger.left or saga.ledger.skipped):
            counts["left by a person"] += 1
            continue
        if saga.ledger.ended is None:
            continue  # every_saga_is_at_rest says it
        counts[saga.name] += 1
        meant = {what: amount for what, amount in _meant(saga, orders).items() if amount}
        if moved != meant:
            faults.append(f"{saga_id} is {saga.ledger.ended} and moved {moved}, not {meant}")
        if wrong := _stands_wrong(saga, orders, booked):
            faults.append(f"{saga_id} is {saga.ledger.ended} and {wrong}")
    figure = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    return Check("each end fits the books", figure, faults)


def left_by_people(found: Found, sagas: dict[str, Saga]) -> list[str]:
    """The sagas that persons abandoned, or took steps out of, with all that they leave behind."""
    effects = effects_of(found.events)
    return [
        f"{saga_id} is {saga.ledger.ended}, left {sorted(saga.ledger.left)}: "
        f"{ {what: amount for what, amount in effects[saga_id].items() if amount} }"
        for saga_id, saga in sagas.items()
        if saga.left_by_a_person
    ]


def _meant(saga: Saga, orders: Orders) -> Effects:
    """What a saga that ended so was to move."""
    meant: Effects = Counter()
    if saga.ledger.ended != "completed":
        return meant
    asked, result = saga.input, saga.result
    match saga.name:
        case "fulfil-order":
            order_id = asked["order_id"]
            total = orders.by_id[order_id].total
            meant[asked["customer_id"], "balance"] -= total
            meant[SHOP, "balance"] += total
            for sku, quantity in quantities(asked["lines"]).items():
                meant[sku, "on_hand", None] -= quantity
                meant[sku, "shipped", order_id] += quantity
        case "return-order" if result["outcome"] == "returned":
            order_id = asked["order_id"]
            refund = orders.by_id[order_id].refunds.get(saga.ledger.saga_id, 0)
            meant[asked["customer_id"], "balance"] += refund
            meant[SHOP, "balance"] -= refund
            for sku, quantity in quantities(asked["lines"]).items():
                meant[sku, "on_hand", None] += quantity
                meant[sku, "shipped", order_id] -= quantity
        case "replenish-stock":
            meant[asked["sku"], OUTSIDE, None] -= result["received"]
            meant[asked["sku"], "on_hand", None] += result["received"]
        case "transfer-funds":
            meant[asked["source"], "balance"] -= asked["money"]["amount"]
            meant[asked["target"], "balance"] += asked["money"]["amount"]
    return meant


def _stands_wrong(saga: Saga, orders: Orders, booked: set[str]) -> str | None:
    """How the order of a saga contradicts its end; None if it does not, or if there is none."""
    done = saga.ledger.ended == "completed"
    match saga.name:
        case "fulfil-order":
            order = orders.by_id[saga.input["order_id"]]
            if done and order.status == "completed" and order.lines == quantities(saga.input["lines"]):
                return None if order.tracking in booked else f"no booking has the number {order.tracking}"
            undone = not done and order.status in ("new", "cancelled") and order.tracking is None
            return None if undone else f"its order is {order}"
        case "return-order":
            # A return has the id of its saga.
            status = orders.by_id[saga.input["order_id"]].returns.get(saga.ledger.saga_id)
            fits = [AFTER[saga.result["outcome"]]] if done else [None, "cancelled", "refused", "expired"]
            return None if status in fits else f"its return is {status}"
        case _:
            return None
