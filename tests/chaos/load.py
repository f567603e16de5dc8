"""The service as clients meet it: over HTTP, patient, and remembering what it answered."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.acceptance.server import Json, money
from tests.chaos.found import Answers
from tests.recovery.shop import FUNDS

CUSTOMERS: Final = 6
STOCK: Final = {"s0": 500_000, "s1": 500_000, "s2": 500_000, "s3": 500_000, "s4": 10}
"""What there is of each SKU in the beginning; it always runs low, and of the last there is not enough."""
REORDER: Final = {"level": 1_000_000, "quantity": 20}
AGAIN_SECONDS = 0.2
REQUEST_SECONDS_MAX = 15
ATTEMPTS_MAX, FAILURES_MAX = 400, 3
TEXT_CHARACTERS_MAX = 600


class NoAnswer(Exception):
    """No server answered however often it was asked, or they answered that they failed."""


@dataclass
class Service:
    """Some servers on one database; `request` asks any of them until one answers.

    `findings` are what no server should ever answer, by request; `replenishing` are sagas that were listed.
    """

    urls: list[str]
    stopping: threading.Event = field(default_factory=threading.Event)
    figures: Counter[str] = field(default_factory=Counter)
    answers: Answers = field(default_factory=Answers)
    findings: dict[str, str] = field(default_factory=dict)
    replenishing: set[str] = field(default_factory=set)

    def request(self, chance: random.Random, method: str, path: str, **content: Any) -> httpx.Response:
        """The first answer that is one: what the server cannot say now is asked again, of any server."""
        failures = 0
        for _ in range(ATTEMPTS_MAX):
            url = chance.choice(self.urls)
            try:
                answer = httpx.request(method, url + path, timeout=REQUEST_SECONDS_MAX, **content)
            except httpx.TransportError:
                self.figures["requests without an answer"] += 1
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                if answer.status_code in (429, 503):
                    self.figures["requests told to wait"] += 1
                else:
                    failures += 1
                    self.finds(f"{method} {url}{path} {content.get('json', '')}", answer)
                    if failures == FAILURES_MAX:
                        break
            time.sleep(AGAIN_SECONDS)
        raise NoAnswer(f"{method} {path}")

    def finds(self, request: str, answer: httpx.Response) -> None:
        """An answer that should not be."""
        self.findings[request] = f"{answer.status_code} {answer.text}"[:TEXT_CHARACTERS_MAX]

    def look(self, chance: random.Random, path: str) -> Json:
        """What is there; it must be."""
        answer = self.request(chance, "GET", path)
        if not answer.is_success:
            self.finds(f"GET {path}", answer)
            raise NoAnswer(path)
        found: Json = answer.json()
        return found

    def start(self, chance: random.Random, name: str, saga_id: str, body: Json) -> None:
        """Start a saga under an id of the client's choice, the same in each attempt."""
        answer = self.request(
            chance, "POST", f"/sagas/{name}", json=body, headers={"Idempotency-Key": saga_id}
        )
        (self.answers.accepted if answer.is_success else self.answers.refused).add(saga_id)

    def signal(self, chance: random.Random, saga_id: str, name: str, data: Json, number: int = 1) -> None:
        """Send a signal. Its id is the same whoever sends it: each `number` counts once."""
        signal_id = f"{name}-{number}-{saga_id}"
        body = {"id": signal_id, "data": data}
        answer = self.request(chance, "POST", f"/sagas/{saga_id}/signals/{name}", json=body)
        if answer.is_success:
            self.answers.signals.add((saga_id, signal_id))
        self.figures[f"signal: {name}{'' if answer.is_success else ' refused'}"] += 1


def open_shop(service: Service) -> None:
    """Accounts and goods. Asked with keys: the answer may be lost here too."""
    chance = random.Random(0)

    def tell(path: str, command: str, body: Json) -> None:
        key = {"Idempotency-Key": f"first-{command}-{path.replace('/', '-')}"}
        url = f"/aggregates/{path}/{command}"
        service.request(chance, "POST", url, json=body, headers=key).raise_for_status()

    for account, amount in [("shop", 1), *((f"c{number}", FUNDS) for number in range(CUSTOMERS))]:
        tell(f"account/{account}", "open-account", {"currency": "USD"})
        tell(f"account/{account}", "deposit", {"money": money(amount)})
    for sku, quantity in STOCK.items():
        tell(f"stock/{sku}", "receive-stock", {"quantity": quantity})
        tell(f"stock/{sku}", "set-reorder-point", REORDER)
