"""One round: load and faults for a while, then healing, then rest, then the checker."""

import random
import subprocess
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.cluster import SUPERUSER
from app.database import OWNER_ROLE
from app.demo.checks import Check
from tests.acceptance.server import ROOT, command, environment, until
from tests.chaos.checker import check
from tests.chaos.ends import left_by_people
from tests.chaos.faults import Fleet, fleet
from tests.chaos.found import Found, Json, behind, find, sagas_of
from tests.chaos.load import NoAnswer, Service, open_shop
from tests.chaos.people import (
    PROJECTIONS,
    STUCK_ACTS,
    ask,
    client,
    compare,
    keeper,
    operator,
    send_signal,
    warehouse,
)
from tests.chaos.plan import plan_of
from tests.conftest import Database, PrivateServer
from tests.recovery.shop import Carrier, Look

PEOPLE = (client, client, client, client, warehouse, operator, keeper)
REST_SECONDS_MAX = 240
ENDED = ("completed", "compensated", "abandoned")


@dataclass(frozen=True)
class Round:
    """What came of it."""

    seed: int
    seconds: float
    servers: int
    figures: dict[str, int]
    timeline: list[str]
    left: list[str]
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
    look, sandbox = Look(database), carrier.url.removesuffix("/carrier")
    with fleet(database, postgres, sandbox, setting.servers, setting.logs) as them:
        service = them.service
        open_shop(service)
        with ThreadPoolExecutor(len(PEOPLE)) as threads:
            people = [threads.submit(who, service, f"{seed}-{n}") for n, who in enumerate(PEOPLE)]
            try:
                them.run(plan_of(seed, setting.seconds, setting.servers))
                them.heal()
            finally:
                service.stopping.set()
        gave_up = ["".join(traceback.format_exception(error)) for one in people if (error := one.exception())]
        open_in_the_end = _come_to_rest(them, look, seed)
        uncompared = _compare_rebuilds(service)
        found = find(look, carrier.look, lambda sku: _state(service, sku), service.answers)
        checks = [
            *check(found),
            Check("it comes to rest", "", open_in_the_end),
            Check("rebuilds are the same", "", uncompared),
            Check("processes end as they may", "", them.faults),
            Check("people can go on", "", gave_up),
            Check("servers answer as they may", "", [": ".join(one) for one in service.findings.items()]),
            _verify(database),
        ]
        counts = dict(sorted((service.figures + them.figures + _counted(found)).items()))
        left = left_by_people(found, sagas_of(found.events))
        one = Round(seed, setting.seconds, setting.servers, counts, them.timeline, left, checks)
        if one.faults:
            for server in them.servers:
                them.keep_log(server)
        return one


def _open(look: Look) -> list[Json]:
    return look.rows(
        "select saga_id, name, status from readmodels.sagas where status <> all(%(ended)s) order by position",
        ended=list(ENDED),
    )


def _come_to_rest(them: Fleet, look: Look, seed: int) -> list[str]:
    """Wait until all has ended; decide what is stuck, as a person would. What is open then."""
    chance, acts = random.Random(seed), Counter[str]()

    def at_rest() -> bool:
        them.tend(time.monotonic())
        if behind(look):
            return False
        still = _open(look)
        with suppress(NoAnswer):  # which is among the findings
            for saga in still:
                _decide(them.service, chance, saga, acts)
        return not still

    try:
        until(at_rest, REST_SECONDS_MAX)
    except AssertionError as error:
        return [f"{saga['saga_id']} is {saga['status']}" for saga in _open(look)] or [
            f"a follower is behind: {error}"
        ]
    them.say("all is at rest")
    return []


def _decide(service: Service, chance: random.Random, saga: Json, acts: Counter[str]) -> None:
    saga_id = saga["saga_id"]
    if saga["status"] == "waiting":
        acts[f"signal {saga_id}"] += 1  # one that was taken back to before its wait needs another one
        send_signal(service, chance, saga["name"], saga_id, acts[f"signal {saga_id}"])
    if saga["status"] == "stuck":
        act = STUCK_ACTS[min(acts[saga_id], len(STUCK_ACTS) - 1)]
        acts[saga_id] += 1
        ask(service, chance, saga_id, act)
        service.figures[f"stuck in the end: {act}"] += 1


def _compare_rebuilds(service: Service) -> list[str]:
    """Hold every read model against a rebuild; those that could not be."""
    chance, missing = random.Random(0), list[str]()
    for name in PROJECTIONS:
        try:
            for act in ("resume", "rebuild"):  # refused unless one was paused, or if there is one
                service.request(chance, "POST", f"/projections/{name}/{act}", json={"reason": "the end"})
            until(partial(compare, service, chance, name, full=True), REST_SECONDS_MAX)
        except (AssertionError, NoAnswer) as error:
            missing.append(f"{name}: {error}")
    return missing


def _state(service: Service, sku: str) -> Json:
    try:
        state: Json = service.look(random.Random(0), f"/aggregates/stock/{sku}")["state"]
    except NoAnswer:
        return {}
    return state


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
