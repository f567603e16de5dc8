"""One round: load and faults for a while, then healing, then rest, then the checker."""

import random
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.cluster import SUPERUSER
from app.database import OWNER_ROLE
from app.demo.checks import Check
from tests.acceptance.server import ROOT, command, environment, until
from tests.chaos.checker import Found, check
from tests.chaos.faults import Fleet, fleet
from tests.chaos.load import SKUS, Service, approve, client, open_shop, operator
from tests.chaos.plan import plan_of
from tests.conftest import Database, PrivateServer
from tests.recovery.shop import Carrier, Look

CLIENTS, OPERATORS = 4, 1
REST_SECONDS_MAX = 240
STUCK_ACTS = ("retry", "skip", "abandon")
ENDED = ("completed", "compensated", "abandoned")


@dataclass(frozen=True)
class Round:
    """What came of it."""

    seed: int
    seconds: float
    servers: int
    figures: dict[str, int]
    timeline: list[str]
    checks: list[Check]

    @property
    def faults(self) -> list[str]:
        return [f"{check.name}: {fault}" for check in self.checks for fault in check.faults]

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Setting:
    """How long a round lasts, on how many executors, the last a worker; where logs of the dead are kept."""

    seed: int
    seconds: float
    servers: int
    logs: Path | None = None


def play(postgres: PrivateServer, carrier: Carrier, setting: Setting) -> Round:
    """A whole round. What cannot be brought to rest is a fault, as what the checker finds is."""
    urls, seed = postgres.urls, setting.seed
    admin = urls.owner.replace(OWNER_ROLE, SUPERUSER, 1)
    database = Database("saga", url=urls.app, owner_url=urls.owner, admin_url=admin)
    carrier.behave(mode="ok")
    with fleet(database, postgres, carrier.url, setting.servers, setting.logs) as them:
        service = them.service
        open_shop(service)
        with ThreadPoolExecutor(CLIENTS + OPERATORS) as threads:
            people = [threads.submit(client, service, f"{seed}-{each}") for each in range(CLIENTS)]
            people += [threads.submit(operator, service, f"{seed}-op-{each}") for each in range(OPERATORS)]
            try:
                them.run(plan_of(seed, setting.seconds, setting.servers))
                them.heal()
            finally:
                service.stopping.set()
            for one in people:
                one.result()
        look = Look(database)
        open_in_the_end = _come_to_rest(them, look, seed)
        found = _found(look, carrier, service)
        checks = [*check(found), Check("it comes to rest", "", open_in_the_end), _verify(database)]
        figures = service.figures + _counted(found)
        counts = dict(sorted(figures.items()))
        return Round(seed, setting.seconds, setting.servers, counts, them.timeline, checks)


def _open(look: Look) -> list[dict[str, Any]]:
    return look.rows(
        "select saga_id, name, status from readmodels.sagas where status <> all(%(ended)s) order by position",
        ended=list(ENDED),
    )


def behind(look: Look) -> bool:
    """A read model has not read the whole log."""
    query = """
        select count(*) from eventstore.checkpoints where kind = 'projection'
           and position < (select max(position) from eventstore.events)
    """
    return bool(look.value(query))


def _come_to_rest(them: Fleet, look: Look, seed: int) -> list[str]:
    """Wait until all has ended; decide what is stuck, as a person would. What is open then."""
    chance, acts = random.Random(seed), Counter[str]()

    def at_rest() -> bool:
        them.tend(time.monotonic())
        if behind(look):
            return False
        still = _open(look)
        for saga in still:
            _decide(them.service, chance, saga, acts)
        return not still

    try:
        until(at_rest, REST_SECONDS_MAX)
    except AssertionError:
        return [f"{saga['saga_id']} is {saga['status']}" for saga in _open(look)] or [
            "a read model is behind"
        ]
    them.say("all is at rest")
    return []


def _decide(service: Service, chance: random.Random, saga: dict[str, Any], acts: Counter[str]) -> None:
    saga_id = saga["saga_id"]
    if saga["status"] == "waiting" and saga["name"] == "return-order":
        approve(service, chance, saga_id, approved=True)
    if saga["status"] == "stuck":
        act = STUCK_ACTS[min(acts[saga_id], len(STUCK_ACTS) - 1)]
        acts[saga_id] += 1
        service.request(chance, "POST", f"/sagas/{saga_id}/{act}", json={"reason": "after the chaos"})
        service.figures[f"stuck: {act}"] += 1


def _found(look: Look, carrier: Carrier, service: Service) -> Found:
    http, chance = service, random.Random(0)
    stocks = {
        f"s{sku}": http.request(chance, "GET", f"/aggregates/stock/s{sku}").json()["state"]
        for sku in range(SKUS)
    }
    accounts = look.rows("select account_id, balance, held from readmodels.accounts")
    sagas = look.rows("select saga_id, status from readmodels.sagas")
    return Found(
        events=look.rows("select * from eventstore.events order by position"),
        bookings=carrier.look.bookings(),
        accounts={row["account_id"]: row for row in accounts},
        stocks=stocks,
        sagas={row["saga_id"]: row["status"] for row in sagas},
        accepted=service.accepted,
        refused=service.refused,
    )


def _counted(found: Found) -> Counter[str]:
    kinds = Counter(event["type"] for event in found.events)
    counted = ("SagaRequested", "RunStarted", "StepFailed", "StepCompensated", "SagaStuck")
    return Counter({"events": len(found.events)} | {f"entries: {kind}": kinds[kind] for kind in counted})


def _verify(database: Database) -> Check:
    """The seals, by the command that an operator uses."""
    env = environment(SAGA_DATABASE_URL=database.url, SAGA_OWNER_DATABASE_URL=database.owner_url)
    verified = subprocess.run(
        command("verify", "--json"), cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    faults = [] if verified.returncode == 0 else [verified.stdout + verified.stderr]
    return Check("the seals agree", "", faults)
