"""The play: a small shop, its customers, and orders that meet each kind of refusal."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.demo.client import Json

SHOP: Final = "shop"
PLENTY: Final = 100_000_000
LITTLE: Final = 100
SHELF: Final = {"demo-teapot": 2_400, "demo-cups": 1_850, "demo-kettle": 6_900}
"""What is in stock, by SKU: minor units each."""
RARE: Final = "demo-samovar"
"""Of this one there is one, and somebody wants two."""
CUSTOMERS: Final = ("demo-ana", "demo-ben", "demo-chloe")
POOR: Final = "demo-dan"
EUROPEAN: Final = "demo-elsa"
STRANGER: Final = "demo-nobody"


class Fate(Enum):
    """What an order is written to meet: in words, the step that refuses it, and why."""

    DELIVERY = ("is delivered", None, None)
    EMPTY_SHELF = ("wants more than is there", "ReserveStock", "insufficient-stock")
    EMPTY_PURSE = ("costs more than its customer has", "HoldPayment", "insufficient-funds")
    STRANGER = ("is from an unknown customer", "HoldPayment", "account-not-open")
    CARRIER_SAYS_NO = ("goes where the carrier does not", "book-carrier", "carrier-refused")
    CARRIER_IS_DOWN = ("meets a carrier that is down", "book-carrier", "call-failed")
    FOREIGN_MONEY = ("pays in euros, the shop takes dollars", "Deposit", "currency-mismatch")

    def __init__(self, words: str, refused_at: str | None, code: str | None) -> None:
        self.words = words
        self.refused_at = refused_at
        self.code = code


@dataclass(frozen=True)
class Order:
    """One order of the play."""

    body: Json
    fate: Fate

    @property
    def order_id(self) -> str:
        order_id: str = self.body["order_id"]
        return order_id

    @property
    def saga_id(self) -> str:
        return f"fulfil-order-{self.order_id}"


@dataclass(frozen=True)
class Play:
    """Three acts, each under another carrier: down for one order, refusing one order, slow for all."""

    carrier_down: list[Order]
    carrier_refuses: list[Order]
    carrier_slow: list[Order]

    @property
    def orders(self) -> list[Order]:
        return [*self.carrier_down, *self.carrier_refuses, *self.carrier_slow]


REFUSED: Final = {
    2: Fate.EMPTY_SHELF,
    4: Fate.EMPTY_PURSE,
    6: Fate.STRANGER,
    13: Fate.FOREIGN_MONEY,
    16: Fate.EMPTY_SHELF,
}
"""Which of twenty orders are refused, by their place; of the carrier's two there is one each in the play."""


def write_play(run: str, count: int) -> Play:
    """`count` orders, at least ten, whose ids nobody used before if nobody used `run`."""
    half = count // 2
    fates = [REFUSED.get(place % 20, Fate.DELIVERY) for place in range(count)]
    fates[1], fates[half - 1] = Fate.CARRIER_IS_DOWN, Fate.CARRIER_SAYS_NO
    orders = [
        Order(_body(f"demo-{run}-{place + 1:02}", place, fate), fate) for place, fate in enumerate(fates)
    ]
    return Play(orders[: half - 1], orders[half - 1 : half], orders[half:])


def openings(run: str, count: int) -> Iterator[tuple[str, Json, str]]:
    """The commands that open the shop: path, body, idempotency key. All of them may be sent again."""
    for account in (SHOP, *CUSTOMERS, POOR):
        yield f"/aggregates/account/{account}/open-account", {"currency": "USD"}, f"demo-open-{account}"
    yield f"/aggregates/account/{EUROPEAN}/open-account", {"currency": "EUR"}, f"demo-open-{EUROPEAN}"
    for customer in CUSTOMERS:
        yield _deposit(customer, PLENTY, "USD", run)
    yield _deposit(EUROPEAN, PLENTY, "EUR", run)
    yield _deposit(POOR, LITTLE, "USD", "once")
    for sku in SHELF:
        yield _receive(sku, 10 * count, run)
    yield _receive(RARE, 1, "once")


def _deposit(account: str, amount: int, currency: str, run: str) -> tuple[str, Json, str]:
    body = {"money": {"amount": amount, "currency": currency}}
    return f"/aggregates/account/{account}/deposit", body, f"demo-deposit-{account}-{run}"


def _receive(sku: str, quantity: int, run: str) -> tuple[str, Json, str]:
    return f"/aggregates/stock/{sku}/receive-stock", {"quantity": quantity}, f"demo-receive-{sku}-{run}"


def _body(order_id: str, place: int, fate: Fate) -> Json:
    customer = CUSTOMERS[place % len(CUSTOMERS)]
    currency = "EUR" if fate is Fate.FOREIGN_MONEY else "USD"
    match fate:
        case Fate.EMPTY_PURSE:
            customer = POOR
        case Fate.STRANGER:
            customer = STRANGER
        case Fate.FOREIGN_MONEY:
            customer = EUROPEAN
    skus = list(SHELF)
    lines = [_line(sku, 1 + place % 3, SHELF[sku], currency) for sku in skus[: 1 + place % len(skus)]]
    if fate is Fate.EMPTY_SHELF:
        lines.append(_line(RARE, 2, 99_900, currency))
    country = "Atlantis" if fate is Fate.CARRIER_SAYS_NO else "France"
    return {
        "order_id": order_id,
        "customer_id": customer,
        "ship_to": {"name": customer, "country": country},
        "lines": lines,
    }


def _line(sku: str, quantity: int, amount: int, currency: str) -> Json:
    return {"sku": sku, "quantity": quantity, "unit_price": {"amount": amount, "currency": currency}}
