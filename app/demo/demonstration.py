"""The demonstration itself: feed the orders, kill the server in the middle, check what it says afterwards."""

import asyncio
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import httpx

from app.demo.books import check_books
from app.demo.checks import Check, check_sagas
from app.demo.client import TIMEOUT_SECONDS, Json, PatientClient, Refused, Unavailable
from app.demo.evidence import Evidence, gather_evidence
from app.demo.journals import Journal
from app.demo.script import Order, Play, openings, write_play
from app.demo.server_process import ServerFailed, ServerProcess
from app.demo.watch import Watch

PACE_SECONDS: Final = 0.1
"""Between two orders: a person can follow, and the kill finds them at different steps."""
SLOW_CARRIER_MS: Final = 500
IN_FLIGHT_AT_KILL: Final = 3
ACT_SECONDS_MAX: Final = 240.0
BEHAVIOUR: Final = "/sandbox/carrier/behaviour"


class DemonstrationFailed(Exception):
    """It could not be given to its end: the server refused something, or stayed away."""


class Audience(Protocol):
    """Who is told what happens."""

    def say(self, line: str) -> None: ...

    def follow(self, watch: Watch, orders: list[Order]) -> None: ...

    def changed(self, journal: Journal) -> None: ...


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: which process, which sagas it had begun, when the next process was started."""

    pid: int
    ended: int
    in_flight: list[str]
    restarted_at: float


@dataclass(frozen=True)
class Outcome:
    """What came of it: the orders, their journals by saga id, the checks, the kill."""

    run: str
    orders: list[Order]
    journals: dict[str, Journal]
    checks: list[Check]
    kill: Kill
    seconds: float

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


async def demonstrate(server: ServerProcess, audience: Audience, run: str, count: int) -> Outcome:
    """Give the play on a server that is ready. `run` must be new. Raises DemonstrationFailed."""
    try:
        return await _demonstrate(server, audience, run, count)
    except FAILURES as failure:
        raise DemonstrationFailed(str(failure) or type(failure).__name__) from failure
    except ExceptionGroup as group:
        failures, bugs = group.split(FAILURES)
        if failures is None or bugs is not None:
            raise
        raise DemonstrationFailed(" and ".join(dict.fromkeys(_lines(failures)))) from group


FAILURES: Final = (ServerFailed, Refused, Unavailable, httpx.TransportError)


def _lines(group: ExceptionGroup) -> Iterator[str]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _lines(error)
        else:
            yield str(error) or type(error).__name__


async def _demonstrate(server: ServerProcess, audience: Audience, run: str, count: int) -> Outcome:
    began = time.monotonic()
    play = write_play(run, count)
    who = {"X-Actor": "demo"}
    if token := os.environ.get("SAGA_TOKEN"):  # its data directory may be one that has tokens
        who["Authorization"] = f"Bearer {token}"
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT_SECONDS, headers=who) as http:
        client = PatientClient(http)
        after = await _open_shop(client, run, count)
        ids = frozenset(order.saga_id for order in play.orders)
        watch = Watch(client, ids, after, audience.changed)
        audience.follow(watch, play.orders)
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(watch.follow()), group.create_task(server.guard())]
            kill = await Stage(server, client, watch, audience).give(play)
            for task in beside:
                task.cancel()
        audience.say("all have ended; now the books")
        evidence = await gather_evidence(client)
    seconds = time.monotonic() - began
    checks = [*_checks(evidence, play.orders, kill)]
    journals = {saga_id: evidence.journals[saga_id] for saga_id in ids & evidence.journals.keys()}
    return Outcome(run, play.orders, journals, checks, kill, seconds)


@dataclass(frozen=True)
class Stage:
    """The play as it is given: each act sets the carrier, feeds its orders and waits for them."""

    server: ServerProcess
    client: PatientClient
    watch: Watch
    audience: Audience

    async def give(self, play: Play) -> Kill:
        """The three acts; the kill is in the last one."""
        down, refused = play.carrier_down[1].order_id, play.carrier_refuses[0].order_id
        self.audience.say(f"the carrier is down for {down}")
        await self._act({"mode": "fail", "order_id": down}, play.carrier_down)
        await self._act({"mode": "refuse", "order_id": refused}, play.carrier_refuses)
        self.audience.say(f"the carrier takes {SLOW_CARRIER_MS} ms for each booking")
        # Bounded, so that a demonstration that is broken off leaves no slow carrier behind for ever.
        slow = {"mode": "slow", "delay_ms": SLOW_CARRIER_MS, "times": len(play.carrier_slow)}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._act(slow, play.carrier_slow))
            kill = await self._kill(len(play.orders) // 2)
        await self.client.put(BEHAVIOUR, {"mode": "ok"})
        return kill

    async def _act(self, behaviour: Json, orders: list[Order]) -> None:
        await self.client.put(BEHAVIOUR, behaviour)
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(self.client.post("/sagas/fulfil-order", order.body, key=order.saga_id))
                await asyncio.sleep(PACE_SECONDS)
        ids = [order.saga_id for order in orders]
        with suppress(TimeoutError):  # the checks say which ones have not ended
            async with asyncio.timeout(ACT_SECONDS_MAX):
                await self.watch.until(lambda: self.watch.settled(ids))

    async def _kill(self, half: int) -> Kill:
        """When half have ended and some are on their way: SIGKILL, and a new process on the same data."""
        watch, server = self.watch, self.server
        await watch.until(
            lambda: (
                (len(watch.ended) > half and len(watch.in_flight) >= IN_FLIGHT_AT_KILL)
                or watch.settled(watch.saga_ids)
            )
        )
        pid, in_flight = server.pid or 0, [journal.saga_id for journal in watch.in_flight]
        await server.kill()
        self.audience.say(f"SIGKILL: server process {pid} is dead, {len(in_flight)} sagas were on their way")
        ended = len(watch.ended)
        restarted_at = await server.start()
        self.audience.say(f"server process {server.pid} is up and goes on where the other one ended")
        return Kill(pid, ended, in_flight, restarted_at)


async def _open_shop(client: PatientClient, run: str, count: int) -> int:
    """Stock and accounts; the position after which the orders will be."""
    answers = [await client.post(path, body, key=key) for path, body, key in openings(run, count)]
    return max(int(answer["position"]) for answer in answers)


def _checks(evidence: Evidence, orders: list[Order], kill: Kill) -> Iterable[Check]:
    ids = [order.saga_id for order in orders]
    yield from check_sagas(evidence, ids)
    yield from check_books(evidence, ids)
    yield _fates_were_met(evidence, orders)
    yield others_went_on(evidence, ids, kill.restarted_at)


def _fates_were_met(evidence: Evidence, orders: list[Order]) -> Check:
    """Each order ended as it was written to: at that step, for that reason."""
    faults = []
    for order in orders:
        journal = evidence.journals.get(order.saga_id)
        code = journal.cause["code"] if journal and journal.cause else None
        met = (journal.refused_at if journal else "nothing", code)
        if met != (order.fate.refused_at, order.fate.code):
            faults.append(f"{order.order_id} {order.fate.words}, but met {met}")
    refused = sum(order.fate.refused_at is not None for order in orders)
    return Check("each order met what it was written to", f"{refused} refusals", faults)


def others_went_on(evidence: Evidence, saga_ids: Iterable[str], restarted_at: float) -> Check:
    """Some sagas were begun by one process and finished by another; how soon the first of them moved."""
    name = "another process went on"
    begun = [evidence.journals[saga_id] for saga_id in saga_ids if saga_id in evidence.journals]
    continued = [journal for journal in begun if len(journal.executors) > 1]
    if not continued:
        return Check(name, "", ["no saga was on its way when the process was killed"])
    first = min(_moved_at(journal) for journal in continued)
    return Check(name, f"{len(continued)} sagas, the first {first - restarted_at:.1f} s after the restart")


def _moved_at(journal: Journal) -> float:
    """When a second process first wrote to it."""
    at = next(at for executor, at in journal.run_starts if executor != journal.executors[0])
    return datetime.fromisoformat(at).timestamp()
