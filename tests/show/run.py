"""Orders fed to a server process that is killed again and again meanwhile; then the books are checked."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from app.demo.books import check_books
from app.demo.checks import Check, check_sagas
from app.demo.client import TIMEOUT_SECONDS, Json, PatientClient
from app.demo.evidence import Evidence, gather_evidence
from app.demo.script import SHOP
from app.demo.server_process import ServerProcess
from app.demo.watch import Watch
from tests.show.dataset import CURRENCY, Northwind

DEPOSIT = 100_000
"""Minor units on each customer's account: enough for most of the orders that find their goods."""
POSTS_AT_ONCE = 16
IN_FLIGHT_MAX = 32
LOST_ANSWERS = 25
"""Bookings that the carrier makes and whose answer it drops."""
SETTLE_SECONDS_MAX = 300.0
OPEN_STATUSES = ("queued", "running", "waiting", "compensating", "stuck")
REASONS = ("insufficient-stock", "insufficient-funds", "call-failed")


@dataclass
class Kill:
    """One SIGKILL, and when the next process was started."""

    ended: int
    in_flight: int
    restarted_at: float


@dataclass
class Report:
    """What came of it. `reasons` counts the outcomes; `seconds` are from the first order to the last end."""

    sagas: int
    seconds: float
    kills: list[Kill]
    evidence: Evidence
    checks: list[Check]
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def first_progress_seconds(self) -> list[float]:
        """For each kill of sagas on their way: from the next process's start to its first entry of them."""
        moments = sorted(
            datetime.fromisoformat(at).timestamp()
            for journal in self.evidence.journals.values()
            for _, at in journal.run_starts[1:]
        )
        after = ([at for at in moments if at > kill.restarted_at] for kill in self.kills)
        return [times[0] - kill.restarted_at for times, kill in zip(after, self.kills, strict=True) if times]


async def run(
    server: ServerProcess, northwind: Northwind, kills: int, say: Callable[[str], None] = print
) -> Report:
    """Start the server, open the shop, feed the orders and kill the server `kills` times while they go on.

    The server is up when this returns.
    """
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT_SECONDS) as http:
        client = PatientClient(http)
        after = await open_shop(client, northwind)
        say(f"{len(northwind.orders)} orders of {len(northwind.customers)} customers")
        ids = [saga_id_of(order) for order in northwind.orders]
        watch = Watch(client, frozenset(ids), after)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(watch.follow()), group.create_task(server.guard())]
            feeding = group.create_task(feed(client, watch, northwind.orders))
            killed = await kill_often(server, watch, kills, say)
            await feeding
            for task in beside:
                task.cancel()
        seconds = time.monotonic() - began
        evidence = await gather_evidence(client)
        checks = [
            *check_sagas(evidence, ids),
            *check_books(evidence, ids),
            reasons_are_stated(evidence, ids),
            await no_open_saga(client),
        ]
    return Report(len(ids), seconds, killed, evidence, checks, reasons(evidence, ids))


def saga_id_of(order: Json) -> str:
    return f"fulfil-order-{order['order_id']}"


async def open_shop(client: PatientClient, northwind: Northwind) -> int:
    """Accounts with a deposit, stock received, a carrier that loses answers; the position after it all."""
    await client.put("/sandbox/carrier/behaviour", {"mode": "drop", "times": LOST_ANSWERS})
    free = asyncio.Semaphore(POSTS_AT_ONCE)

    async def send(*commands: tuple[str, Json]) -> int:
        async with free:
            for path, body in commands:
                answer = await client.post(f"/aggregates/{path}", body, key=path.replace("/", ":"))
            return int(answer["position"])

    money = {"money": {"amount": DEPOSIT, "currency": CURRENCY}}
    opening = {"currency": CURRENCY}
    accounts = [
        send((f"account/{customer}/open-account", opening), (f"account/{customer}/deposit", money))
        for customer in northwind.customers
    ]
    items = [
        send((f"stock/{sku}/receive-stock", {"quantity": units}))
        for sku, units in northwind.stock.items()
        if units
    ]
    return max(await asyncio.gather(send((f"account/{SHOP}/open-account", opening)), *accounts, *items))


async def feed(client: PatientClient, watch: Watch, orders: list[Json]) -> None:
    """Start a saga for each order, so many at a time, each until it has ended."""
    free = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def fulfil(order: Json) -> None:
        async with free:
            saga_id = saga_id_of(order)
            await client.post("/sagas/fulfil-order", order, key=saga_id)
            async with asyncio.timeout(SETTLE_SECONDS_MAX):
                await watch.until(lambda: watch.settled([saga_id]))

    # A saga that has not ended in time is what the checks are for; the feeder only stops waiting for it.
    outcomes = await asyncio.gather(*map(fulfil, orders), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, TimeoutError):
            raise outcome


async def kill_often(
    server: ServerProcess, watch: Watch, kills: int, say: Callable[[str], None]
) -> list[Kill]:
    """Kill and restart whenever so many more have ended."""
    killed = []
    for number in range(1, kills + 1):
        goal = len(watch.saga_ids) * number // (kills + 1)
        await watch.until(lambda goal=goal: len(watch.ended) >= goal)  # type: ignore[misc]
        ended, in_flight = len(watch.ended), len(watch.in_flight)
        await server.kill()
        say(f"kill {number}: {ended} had ended, {in_flight} were on their way")
        killed.append(Kill(ended, in_flight, await server.start()))
    return killed


def reasons(evidence: Evidence, saga_ids: list[str]) -> Counter[str]:
    """The outcomes, counted: completed, or the step and the code that refused."""
    journals = [evidence.journals[saga_id] for saga_id in saga_ids if saga_id in evidence.journals]
    return Counter(
        journal.status if journal.cause is None else f"{journal.refused_at}: {journal.cause['code']}"
        for journal in journals
    )


def reasons_are_stated(evidence: Evidence, saga_ids: list[str]) -> Check:
    """What was refused was refused for a reason of the business, and the numbers in it bear it out."""
    faults, refused = [], 0
    for journal in (evidence.journals[saga_id] for saga_id in saga_ids if saga_id in evidence.journals):
        if journal.status != "compensated":
            continue
        refused += 1
        cause = journal.cause or {"code": None, "data": {}}
        had, wanted = (cause["data"].get(name) for name in (HAD.get(cause["code"], ""), "requested"))
        if cause["code"] not in REASONS or (had is not None and had >= wanted):
            faults.append(f"{journal.saga_id} was refused because of {cause}")
    return Check("every refusal has its reason", f"{refused} refused", faults)


HAD = {"insufficient-stock": "on_hand", "insufficient-funds": "balance"}


async def no_open_saga(client: PatientClient) -> Check:
    """The server's own list agrees. It is a read model and may be behind for a while on a busy machine."""
    open_sagas: list[str] = []
    for seconds in (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0):
        await asyncio.sleep(seconds)
        pages = [await client.get("/sagas", status=status, limit=100) for status in OPEN_STATUSES]
        open_sagas = [saga["saga_id"] for page in pages for saga in page["sagas"]]
        if not open_sagas:
            break
    return Check("no saga is open", "in the server's list", [f"{saga_id} is open" for saga_id in open_sagas])
