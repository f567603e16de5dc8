"""compose.yaml, run without containers: each service as a process with its command, its environment and its
check of health, on a Postgres that has nothing yet."""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import (
    START_SECONDS_MAX,
    STOP_SECONDS_MAX,
    account_with,
    command,
    free_port,
    order_of,
    start,
    stock_of,
    until,
)
from tests.conftest import temporary_server
from tests.deploy.files import ROOT, compose

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass(frozen=True)
class Here:
    """Where the names of the compose file are on this machine."""

    postgres: EmbeddedPostgres
    variables: dict[str, str]
    server_port: int

    def service(self, name: str) -> Any:
        return compose(self.variables)[name]

    def environment(self, name: str) -> dict[str, str]:
        return {
            **os.environ,
            **{key: self.address(text) for key, text in self.service(name)["environment"].items()},
        }

    def address(self, text: str) -> str:
        """An address that the compose file has, as it is here."""
        text = text.replace("http://server:8000", f"http://127.0.0.1:{self.server_port}")
        before, found, database = text.partition("@postgres:5432/")
        if not found:
            return text
        bare = self.postgres.url(role="x", database=database)
        return before + bare.removeprefix("postgresql://x")

    def run(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """docker compose run --rm NAME [ARGUMENTS]"""
        return subprocess.run(
            command(*(arguments or self.service(name)["command"])),
            cwd=ROOT,
            env=self.environment(name),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def up(self, name: str, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
        """docker compose up NAME, which must be found healthy, and must end as it is asked."""
        service = self.service(name)
        arguments = [str(port) if each == "8000" else each for each in service["command"]]
        check = [each.replace(":8000", f":{port}") for each in service["healthcheck"]["test"][1:]]
        assert check[0] == "python"
        check[0] = sys.executable
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(*arguments), cwd=ROOT, env=self.environment(name), stdout=output, stderr=output
            )
        try:

            def healthy() -> bool:
                assert process.poll() is None, log.read_text()
                return subprocess.run(check, capture_output=True, check=False, timeout=60).returncode == 0

            until(healthy, START_SECONDS_MAX)
            yield process
            process.terminate()
            assert process.wait(STOP_SECONDS_MAX) == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def here() -> Iterator[Here]:
    with temporary_server() as postgres:
        variables = {name: secrets.token_hex(32) for name in ("POSTGRES_PASSWORD", "SAGA_OWNER_PASSWORD")}
        variables |= {
            "SAGA_APP_PASSWORD": secrets.token_hex(32),
            "SAGA_MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        yield Here(postgres, variables, free_port())


def alive(http: httpx.Client) -> list[str]:
    """The kinds of the executors that are."""
    listed = http.get("/executors").raise_for_status().json()["executors"]
    return sorted(each["kind"] for each in listed if each["state"] == "alive")


def test_from_an_empty_database_to_an_order_that_a_worker_may_do(here: Here, tmp_path: Path) -> None:
    migrated = here.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert here.run("migrate").returncode == 0  # each `up` runs it again

    open_to_all = here.run("server", "serve", "--host", "0.0.0.0", "--port", str(here.server_port))
    assert open_to_all.returncode == 1
    assert "token" in open_to_all.stderr.splitlines()[-1]

    made = here.run("migrate", "tokens", "create", "sandboxes", "--role", "operator", "--json")
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)["token"]
    here.variables.update(SAGA_CARRIER_TOKEN=token, SAGA_SUPPLIER_TOKEN=token)

    with ExitStack() as stack:
        stack.enter_context(here.up("server", here.server_port, tmp_path / "server.log"))
        for number in range(here.service("worker")["deploy"]["replicas"]):
            stack.enter_context(here.up("worker", free_port(), tmp_path / f"worker-{number}.log"))
        url = f"http://127.0.0.1:{here.server_port}"
        with httpx.Client(base_url=url, timeout=60, headers={"Authorization": f"Bearer {token}"}) as http:
            # One that pings late is silent for a moment.
            until(lambda: alive(http) == ["server", "worker", "worker"])
            http.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
            order = order_of(account_with(http, 10_000), stock_of(http, 1))

            assert start(http, "fulfil-order", order).json()["status"] == "completed"
