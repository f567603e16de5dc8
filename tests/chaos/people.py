"""Who uses the shop of a round: clients, the warehouse, operators of sagas and of read models.

Each does one thing after the other, drawn from a seed of its own, until the service is told to stop.
A refusal is an answer.
"""

import random
from typing import Final

from tests.acceptance.server import Json, money
from tests.chaos.load import CUSTOMERS, STOCK, Service
from tests.recovery.shop import FUNDS, PRICE, order

PROJECTIONS: Final = ("sagas", "orders", "stock", "accounts")
STUCK_ACTS: Final = ("resume", "retry", "skip", "abandon")
BECAUSE: Final[Json] = {"reason": "chaos"}


def client(service: Service, seed: str) -> None:
    """Orders, transfers, returns, and starts that must be refused."""
    chance, number = random.Random(seed), 0
    orders: list[str] = []
    while not service.stopping.is_set():
        number += 1
        name = f"{seed}-{number}"
        customer = f"c{chance.randrange(CUSTOMERS)}"
        match chance.choices(("order", "transfer", "return", "nonsense"), (6, 4, 2, 1))[0]:
            case "order":
                skus = tuple(sorted(chance.sample(sorted(STOCK), chance.randint(1, 3))))
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
    asked = service.look(chance, f"/sagas/{of}")["input"]
    lines = [{"sku": line["sku"], "quantity": 1} for line in asked["lines"]]
    body = {
        "order_id": asked["order_id"],
        "customer_id": asked["customer_id"],
        "lines": lines,
        "reason": "late",
    }
    service.start(chance, "return-order", saga_id, body)
    send_signal(service, chance, "return-order", saga_id)


def send_signal(service: Service, chance: random.Random, name: str, saga_id: str, number: int = 1) -> None:
    """What a saga of this name waits for, the same whoever sends it."""
    fate = random.Random(saga_id)
    if name == "return-order":
        data: Json = {"approved": fate.random() < 0.8, "by": "Ada"}
        service.signal(chance, saga_id, "approval", data, number)
    if name == "replenish-stock":
        service.signal(chance, saga_id, "goods-received", {"quantity": fate.randint(1, 30)}, number)


def warehouse(service: Service, seed: str) -> None:
    """Says at random which goods have come, early, late or twice; some come that nobody ordered."""
    chance, number = random.Random(seed), 0
    while not service.stopping.wait(chance.uniform(0.1, 0.6)):
        if chance.random() < 0.05:
            number += 1
            path = f"/aggregates/stock/{chance.choice(sorted(STOCK))}/receive-stock"
            key = {"Idempotency-Key": f"stray-{seed}-{number}"}
            service.request(chance, "POST", path, json={"quantity": 1}, headers=key)
            continue
        listed = service.look(chance, "/sagas?name=replenish-stock&limit=12")["sagas"]
        service.replenishing |= {saga["saga_id"] for saga in listed}
        still_open = [saga for saga in listed if saga["status"] in ("queued", "running", "waiting")]
        if some := still_open if chance.random() < 0.9 else listed:
            send_signal(service, chance, "replenish-stock", chance.choice(some)["saga_id"])


def operator(service: Service, seed: str) -> None:
    """Asks of any saga, of those that are stuck, and of many at once what a person may ask."""
    chance = random.Random(seed)
    while not service.stopping.wait(chance.uniform(0.3, 1.5)):
        match chance.choices(("any", "stuck", "bulk"), (6, 3, 1))[0]:
            case "any":
                known = sorted(service.answers.accepted | service.replenishing)
                if known:
                    _act(service, chance, chance.choice(known))
            case "stuck":
                stuck = service.look(chance, "/sagas?status=stuck&limit=20")["sagas"]
                if stuck:
                    act = chance.choices(STUCK_ACTS, (5, 4, 2, 1))[0]
                    ask(service, chance, chance.choice(stuck)["saga_id"], act)
            case _:
                _act_on_many(service, chance)


def _act(service: Service, chance: random.Random, saga_id: str) -> None:
    acts = ("compensate", "back to a step", "by force", "retry", "resume", "skip", "abandon")
    match chance.choices(acts, (10, 4, 1, 2, 2, 2, 1))[0]:
        case "back to a step":
            ask(service, chance, saga_id, "compensate", to_step=str(chance.randint(1, 6)))
        case "by force":
            ask(service, chance, saga_id, "compensate", force=True)
        case act:
            ask(service, chance, saga_id, act)


def ask(service: Service, chance: random.Random, saga_id: str, act: str, **more: str | bool) -> None:
    """One act on one saga."""
    answer = service.request(chance, "POST", f"/sagas/{saga_id}/{act}", json=BECAUSE | more)
    how = "".join(f" {name}" for name in more)
    service.figures[f"operator: {act}{how}{'' if answer.is_success else ' refused'}"] += 1


def _act_on_many(service: Service, chance: random.Random) -> None:
    waiting = {"name": chance.choice(("return-order", "replenish-stock")), "status": "waiting"}
    approval = {"signal": "approval", "id": f"bulk-{chance.random()}", "data": {"approved": True, "by": "Bo"}}
    asked: Json = chance.choice(
        (
            BECAUSE | {"action": chance.choice(STUCK_ACTS), "filter": {"status": "stuck"}},
            BECAUSE | {"action": "compensate", "filter": waiting},
            approval | {"action": "signal", "filter": waiting | {"name": "return-order"}},
        )
    )
    asked |= {"limit": 3, "dry_run": chance.random() < 0.3}
    answer = service.request(chance, "POST", "/sagas/bulk", json=asked)
    outcomes = answer.json().get("outcomes")
    if outcomes is None or any(each["outcome"] == "failed" for each in outcomes):
        service.finds(f"POST /sagas/bulk {asked}", answer)
    service.figures[f"bulk: {asked['action']}"] += 1


def keeper(service: Service, seed: str) -> None:
    """Rebuilds read models, compares, promotes, returns to the one before, changes its mind."""
    chance = random.Random(seed)
    acts = ("rebuild", "promote", "diff", "return", "pause", "resume", "discard")
    while not service.stopping.wait(chance.uniform(0.2, 1.2)):
        name, act = chance.choice(PROJECTIONS), chance.choices(acts, (6, 5, 4, 2, 1, 2, 1))[0]
        if act == "diff":
            compare(service, chance, name, full=chance.random() < 0.5)
            continue
        body = BECAUSE | {"wait_seconds": 2} if act in ("promote", "return") else BECAUSE
        body = body | {"of": chance.choice(("staging", "previous"))} if act == "discard" else body
        answer = service.request(chance, "POST", f"/projections/{name}/{act}", json=body)
        service.figures[f"read models: {act}{'' if answer.is_success else ' refused'}"] += 1


def compare(service: Service, chance: random.Random, name: str, *, full: bool) -> bool:
    """Whether what is served could be compared with a rebuild, or the one before, at one position. They must
    be the same."""
    answer = service.request(chance, "GET", f"/projections/{name}/diff?full={str(full).lower()}")
    if not answer.is_success or answer.json()["position"] is None:
        return False
    service.figures["read models: compared"] += 1
    if not answer.json()["same"]:
        service.finds(f"diff of {name}", answer)
    return True
