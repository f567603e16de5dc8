"""A real server process on a port of its own, and what tests ask of it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
WAIT_SECONDS_MAX = 120

Json = dict[str, Any]
_numbers = count(1)
_kept_ports: list[socket.socket] = []


@dataclass
class ServerProcess:
    """`saga serve`, its address and its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS_MAX)


def environment(**settings: str) -> dict[str, str]:
    """The environment of a command of ours: that of the tests and these settings."""
    return {**os.environ, "SAGA_LOG_FORMAT": "json", **settings}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli.main", *arguments]


def serving(database_url: str, owner_url: str, **settings: str) -> AbstractContextManager[ServerProcess]:
    """A server on a database of the tests that is ready."""
    return serving_as(SAGA_DATABASE_URL=database_url, SAGA_OWNER_DATABASE_URL=owner_url, **settings)


@contextmanager
def serving_as(code: Path = ROOT, **settings: str) -> Iterator[ServerProcess]:
    """A server of the `code` in a folder that is ready. It must end in an orderly way, unless the test has
    ended it."""
    port = free_port()
    env = environment(SAGA_PORT=str(port), **settings)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command("serve"), cwd=code, env=env, stdout=output, stderr=output)
        server = ServerProcess(f"http://127.0.0.1:{port}", process, log)
        try:
            await_ready(server)
            yield server
            if process.poll() is None:
                assert server.stop() == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def free_port() -> int:
    """A port that this process keeps: nobody else is given it, and our servers may listen at it."""
    keeper = socket.socket()
    keeper.bind(("127.0.0.1", 0))
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # only now: it gets a port of its own
    _kept_ports.append(keeper)
    port: int = keeper.getsockname()[1]
    return port


def release_ports() -> None:
    """For a process that starts thousands of servers, once none of them runs any more."""
    while _kept_ports:
        _kept_ports.pop().close()


def await_ready(server: ServerProcess) -> None:
    """Wait until it answers requests. Fails with its log when it has ended."""

    def ready() -> bool:
        assert server.process.poll() is None, server.log.read_text()
        try:
            return httpx.get(f"{server.url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    until(ready, START_SECONDS_MAX)


def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS_MAX) -> None:
    """Ask again until it is so: every 10 ms at first, ten times a second in a long wait."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"not so within {seconds} s"
        time.sleep(min(max(waited / 10, 0.01), 0.1))


def unique(prefix: str) -> str:
    """An id that no other test uses."""
    return f"{prefix}-{next(_numbers)}"


def money(amount: int, currency: str = "USD") -> Json:
    return {"amount": amount, "currency": currency}


def account_with(http: httpx.Client, amount: int, currency: str = "USD") -> str:
    """A new account that holds so much."""
    account = unique("account")
    http.post(f"/aggregates/account/{account}/open-account", json={"currency": currency}).raise_for_status()
    if amount:
        deposit = {"money": money(amount, currency)}
        http.post(f"/aggregates/account/{account}/deposit", json=deposit).raise_for_status()
    return account


def balance(http: httpx.Client, account: str) -> int:
    state: Json = http.get(f"/aggregates/account/{account}").raise_for_status().json()["state"]
    amount: int = state["balance"]
    return amount


def stock_of(http: httpx.Client, quantity: int) -> str:
    """A new SKU of which so many are on hand."""
    sku = unique("sku")
    received = {"quantity": quantity}
    http.post(f"/aggregates/stock/{sku}/receive-stock", json=received).raise_for_status()
    return sku


def order_of(customer: str, sku: str, quantity: int = 1, price: int = 1000) -> Json:
    """An order that nobody placed before."""
    return {
        "order_id": unique("order"),
        "customer_id": customer,
        "ship_to": {"name": "Vins et alcools Chevalier", "country": "France"},
        "lines": [{"sku": sku, "quantity": quantity, "unit_price": money(price)}],
    }


def start(http: httpx.Client, name: str, body: Json, **headers: str) -> httpx.Response:
    """Start a saga and wait until it has ended."""
    return http.post(f"/sagas/{name}", json=body, headers={"Prefer": "wait=30", **headers}, timeout=40)
