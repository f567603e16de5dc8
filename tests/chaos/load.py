"""Clients and operators of a shop: over HTTP, patient, and remembering what they were answered."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.acceptance.server import Json, money
from tests.recovery.shop import FUNDS, PRICE, order

CUSTOMERS, SKUS, STOCK = 6, 4, 1_000_000
AGAIN_SECONDS = 0.2
REQUEST_SECONDS_MAX = 15
ATTEMPTS_MAX = 400


class NoAnswer(Exception):
    """No server answered however often it was asked."""


@dataclass
class Service:
    """Some servers on one database; `request` asks any of them until one answers."""

    urls: list[str]
    stopping: threading.Event = field(default_factory=threading.Event)
    figures: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def request(self, chance: random.Random, method: str, path: str, **content: Any) -> httpx.Response:
        """The first answer that is one: what the server cannot say now is asked again, of any server."""
        for _ in range(ATTEMPTS_MAX):
            try:
                url = chance.choice(self.urls) + path
                answer = httpx.request(method, url, timeout=REQUEST_SECONDS_MAX, **content)
            except httpx.TransportError:
                self.figures["requests without an answer"] += 1
            else:
                if answer.status_code not in (429, 503):
                    assert answer.status_code < 500, f"{method} {path}: {answer.text}"
                    return answer
                self.figures["requests told to wait"] += 1
            time.sleep(AGAIN_SECONDS)
        raise NoAnswer(f"{method} {path}")

    def start(self, chance: random.Random, name: str, saga_id: str, body: Json) -> None:
        """Start a saga under an id of the client's choice, the same in each attempt."""
        answer = self.request(
            chance, "POST", f"/sagas/{name}", json=body, headers={"Idempotency-Key": saga_id}
        )
        (self.accepted if answer.is_success else self.refused).add(saga_id)


def open_shop(service: Service) -> None:
    """Accounts and goods. Asked with keys: the answer may be lost here too."""
    chance = random.Random(0)
    for account, amount in [("shop", 1), *((f"c{number}", FUNDS) for number in range(CUSTOMERS))]:
        path = f"/aggregates/account/{account}"
        service.request(chance, "POST", f"{path}/open-account", json={"currency": "USD"}).raise_for_status()
        key = {"Idempotency-Key": f"first-{account}"}
        deposit = {"money": money(amount)}
        service.request(chance, "POST", f"{path}/deposit", json=deposit, headers=key).raise_for_status()
    for number in range(SKUS):
        path, key = f"/aggregates/stock/s{number}/receive-stock", {"Idempotency-Key": f"first-s{number}"}
        service.request(chance, "POST", path, json={"quantity": STOCK}, headers=key).raise_for_status()


def client(service: Service, seed: str) -> None:
    """Orders, transfers and returns one after the other, until it is told to stop."""
    chance, number = random.Random(seed), 0
    orders: list[str] = []
    while not service.stopping.is_set():
        number += 1
        name = f"{seed}-{number}"
        customer = f"c{chance.randrange(CUSTOMERS)}"
        match chance.choices(("order", "transfer", "return", "nonsense"), (6, 4, 2, 1))[0]:
            case "order":
                skus = tuple(f"s{sku}" for sku in sorted(chance.sample(range(SKUS), chance.randint(1, 3))))
                service.start(chance, "fulfil-order", f"order-{name}", order(name, customer, skus))
                orders.append(f"order-{name}")
            case "transfer":
                other = chance.choice(["nobody", *(f"c{each}" for each in range(CUSTOMERS))])
                body = {"source": customer, "target": other, "money": money(chance.choice((1, PRICE, FUNDS)))}
                service.start(chance, "transfer-funds", f"transfer-{name}", body)
            case "return" if orders:
                _return(service, chance, f"return-{name}", chance.choice(orders))
            case _:
                body = {"source": customer, "target": customer, "money": money(1)}
                service.start(chance, "transfer-funds", f"nonsense-{name}", body)
        service.stopping.wait(chance.uniform(0.05, 0.4))


def _return(service: Service, chance: random.Random, saga_id: str, of: str) -> None:
    asked = service.request(chance, "GET", f"/sagas/{of}").json()["input"]
    lines = [{"sku": line["sku"], "quantity": 1} for line in asked["lines"]]
    body = {
        "order_id": asked["order_id"],
        "customer_id": asked["customer_id"],
        "lines": lines,
        "reason": "late",
    }
    service.start(chance, "return-order", saga_id, body)
    approve(service, chance, saga_id, approved=chance.random() < 0.8)


def approve(service: Service, chance: random.Random, saga_id: str, *, approved: bool) -> None:
    """What the return waits for. Sent under one id: it counts once."""
    signal = {"id": f"approval-{saga_id}", "data": {"approved": approved, "by": "Ada"}}
    service.request(chance, "POST", f"/sagas/{saga_id}/signals/approval", json=signal)
    service.figures["signals"] += 1


def operator(service: Service, seed: str) -> None:
    """Asks at random sagas for what a person may ask; a refusal is an answer."""
    chance = random.Random(seed)
    while not service.stopping.wait(chance.uniform(0.3, 1.5)):
        if not service.accepted:
            continue
        saga_id = chance.choice(sorted(service.accepted))
        act = chance.choices(("compensate", "retry", "resume", "skip", "abandon"), (12, 3, 3, 2, 1))[0]
        answer = service.request(chance, "POST", f"/sagas/{saga_id}/{act}", json={"reason": "chaos"})
        service.figures[f"operator: {act}{'' if answer.is_success else ' refused'}"] += 1
