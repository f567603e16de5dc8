"""Puts a plan into effect: on processes that this harness started, and on nothing else."""

import os
import shutil
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg

from app.runtime import EXIT_RESTART
from tests.acceptance.server import START_SECONDS_MAX, free_port, until
from tests.chaos.load import Service
from tests.chaos.plan import Fault
from tests.conftest import Database, PrivateServer
from tests.recovery.launcher import Server, starting

STEP_SECONDS = 0.05
READY_SECONDS_MAX: Final = 4 * START_SECONDS_MAX
"""All start at once, and some of them more than once."""
LOG_CHARACTERS = 2_000
STARTED: Final = "executor started"
"""What a process logs when it is up: from before that on it listens to signals."""
OF_A_PROCESS: Final = ("kill", "freeze", "replace")
ORDERING: Final = {"carrier": "book", "supplier": "order"}
"""What carrier and supplier do, besides cancelling it."""


def may_end(code: int, told: Collection[str], *, began: bool) -> bool:
    """Whether a process that was `told` to end by these signals, and that was up (`began`) or still starting,
    may end with this code."""
    match code:
        case 0:
            return "SIGTERM" in told
        case 1:  # cut because its end took too long; or there was no database to start with
            return "SIGTERM" in told or not began
        case -15:  # it was not listening to signals yet
            return "SIGTERM" in told and not began
        case -9:
            return "SIGKILL" in told
        case _:
            return code == EXIT_RESTART


def _port(server: Server) -> str:
    return server.url.rpartition(":")[2]


def _answers(server: Server) -> bool:
    """Whether it is ready; it may end at any time."""
    try:
        return httpx.get(f"{server.url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Fleet:
    """Servers and workers on one Postgres. Who has died is replaced, as a service manager does."""

    database: Database
    postgres: PrivateServer
    sandbox: str
    service: Service
    stack: ExitStack
    servers: list[Server] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    logs: Path | None = None
    began: float = field(default_factory=time.monotonic)
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)
    told: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    figures: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    workers: set[int] = field(default_factory=set)
    away: bool = False

    def add(self, *, worker: bool) -> None:
        """One more server that clients may ask, or a worker."""
        victim = len(self.servers)
        if worker:
            self.workers.add(victim)
        self.servers.append(self._start(victim))
        self._tell_clients()

    def _start(self, victim: int) -> Server:
        settings = {
            "SAGA_CARRIER_URL": f"{self.sandbox}/carrier",
            "SAGA_SUPPLIER_URL": f"{self.sandbox}/supplier",
            "SAGA_REQUEST_SECONDS_MAX": "2",
        }
        if victim not in self.workers:
            return self.stack.enter_context(starting(self.database, **settings))
        port = free_port()
        arguments = ("worker", "--health-port", str(port))
        started = self.stack.enter_context(starting(self.database, arguments=arguments, **settings))
        return replace(started, url=f"http://127.0.0.1:{port}")

    def _tell_clients(self) -> None:
        self.service.urls = [
            server.url for victim, server in enumerate(self.servers) if victim not in self.workers
        ]

    def _replace(self, victim: int) -> None:
        self.keep_log(self.servers[victim])
        self.frozen.discard(self.servers[victim].pid)
        self.servers[victim] = self._start(victim)
        self._tell_clients()

    def keep_log(self, server: Server) -> None:
        """Under the port, by which requests and the timeline name it."""
        if self.logs is not None and server.log.exists():
            shutil.copy(server.log, self.logs / f"server-{_port(server)}.log")

    def _kind(self, victim: int) -> str:
        return "worker" if victim in self.workers else "server"

    def say(self, what: str) -> None:
        self.timeline.append(f"{time.monotonic() - self.began:7.1f}  {what}")

    def run(self, plan: list[Fault]) -> None:
        """Every fault at its time, and what ends it at its own; those that have died are replaced."""
        since = time.monotonic()
        for fault in plan:
            while (now := time.monotonic()) < since + fault.at:
                self.tend(now)
                time.sleep(STEP_SECONDS)
            self._do(fault)

    def tend(self, now: float) -> None:
        """What is due now."""
        due = [act for at, act in self.later if at <= now]
        self.later = [(at, act) for at, act in self.later if at > now]
        for act in due:
            act()
        for victim, server in enumerate(self.servers):
            if not server.alive:
                self._ended(victim, server)
                self._replace(victim)

    def _ended(self, victim: int, server: Server) -> None:
        """Say how it has ended, and whether it may have."""
        code, told = server.exit_code(), self.told.pop(server.pid, [])
        log = server.log.read_text() if server.log.exists() else ""  # it may have ended before it wrote one
        began = STARTED in log
        how = f"{self._kind(victim)} {victim} at {_port(server)} has ended with {code}, "
        how += f"{'running' if began else 'starting'}, {f'told to by {told}' if told else 'unasked'}"
        self.say(f"{how}, and is replaced")
        self.figures[f"end: {code}{'' if told else ', unasked'}{'' if began else ', starting'}"] += 1
        if not may_end(code, told, began=began):
            self.faults.append(f"{how}: {log[-LOG_CHARACTERS:]}")

    def _do(self, fault: Fault) -> None:
        server = self.servers[fault.victim]
        match fault.kind:
            case "kill" if server.alive:
                self.told[server.pid].append("SIGKILL")
                server.kill()
            case "freeze" if server.alive and server.pid not in self.frozen:
                self.frozen.add(server.pid)
                server.freeze()
                self._in(fault.seconds, lambda: self._thaw(server))
            case "replace" if server.alive and server.pid not in {*self.frozen, *self.told}:
                self.told[server.pid].append("SIGTERM")
                server.process.terminate()
            case "postgres" if not self.away:
                self.away = True
                self.postgres.stop_at_once()
                self._in(fault.seconds, self._bring_back)
            case "terminate" if not self.away:
                self._terminate()
            case "carrier" | "supplier":
                does = "cancel" if fault.cancelling else ORDERING[fault.kind]
                self._behave(
                    fault.kind, operation=does, mode=fault.mode, delay_ms=fault.delay_ms, times=fault.times
                )
            case _:  # its victim is gone, or suffers already
                return
        whom = fault.victim if fault.kind in OF_A_PROCESS else "cancelling" if fault.cancelling else ""
        what = (fault.kind, whom, fault.seconds or "", fault.mode if fault.mode != "ok" else "")
        self.say(" ".join(str(each) for each in what if each != ""))
        kind = f" of a {self._kind(fault.victim)}" if fault.kind in OF_A_PROCESS else ""
        self.figures[f"fault: {fault.kind}{kind}"] += 1

    def _behave(self, side: str, **behaviour: Any) -> None:
        answer = httpx.put(f"{self.sandbox}/{side}/behaviour", json=behaviour, timeout=START_SECONDS_MAX)
        answer.raise_for_status()

    def _in(self, seconds: float, act: Callable[[], None]) -> None:
        self.later.append((time.monotonic() + seconds, act))

    def _thaw(self, server: Server) -> None:
        self.frozen.discard(server.pid)
        if server.alive:
            os.kill(server.pid, signal.SIGCONT)

    def _bring_back(self) -> None:
        self.postgres.start()
        self.away = False
        self.say("postgres is back")

    def _terminate(self) -> None:
        """Half of the connections of servers and workers end, at random."""
        query = """
            select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and random() < 0.5
        """
        with psycopg.connect(self.database.admin_url) as connection:
            connection.execute(query.encode())

    def heal(self) -> None:
        """Everything is as it should be: all frozen ones go on, Postgres and every server are there."""
        for _, act in sorted(self.later, key=lambda one: one[0]):
            act()
        self.later = []
        for side in ORDERING:
            self._behave(side, mode="ok")
        self.say("all is healed")
        self.await_ready()

    def await_ready(self) -> None:
        """Until all of them are. A machine that has too much to do may cost one its lease meanwhile."""

        def ready() -> bool:
            self.tend(time.monotonic())
            return all(map(_answers, self.servers))

        until(ready, READY_SECONDS_MAX)


@contextmanager
def fleet(
    database: Database, postgres: PrivateServer, sandbox: str, servers: int, logs: Path | None
) -> Iterator[Fleet]:
    """So many processes, all ready, the last one a worker. They end with the context."""
    with ExitStack() as stack:
        them = Fleet(database, postgres, sandbox, Service([]), stack, logs=logs)
        for victim in range(servers):
            them.add(worker=victim == servers - 1)
        them.await_ready()
        yield them
