"""`saga check` on a real database, without a server: sagas that this code fits, and one that it does not."""

import json
import subprocess
from typing import Any

import psycopg
import pytest

from domain.account import OpenAccount, Withdraw
from domain.aggregates import CATALOG
from domain.money import Money
from eventstore.appender import Appender
from eventstore.connections import store_pool
from eventstore.postgres import PostgresEventStore
from tests.acceptance.server import ROOT, command, environment
from tests.conftest import Database
from workflows.saga import NOTHING, Registry, Saga, SagaDefinition, SagaEngine
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.runner import Runner
from workflows.saga.testing import Killed
from workflows.transfer_funds import TransferFunds

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TRANSFER = TransferFunds(source="a", target="b", money=Money(amount=5, currency="USD"))


async def dies_after_a_step(saga: Saga, transfer: TransferFunds) -> None:
    """As the code was yesterday: another first step. Its process dies then."""
    await saga.execute(OpenAccount(account_id=saga.id, currency="USD"), compensate=NOTHING)
    raise Killed(transfer.source)


async def dies_at_once(_saga: Saga, transfer: TransferFunds) -> None:
    raise Killed(transfer.source)


async def leave_open(database: Database, function: Any, saga_id: str) -> None:
    """A saga called transfer-funds whose process died."""
    async with store_pool(database.url, 2) as pool:
        store = PostgresEventStore(pool, Appender(pool, function=("saga", "append_items")))
        registry = Registry([SagaDefinition("transfer-funds", function, TransferFunds)])
        await SagaEngine(store, registry, CODEC).start("transfer-funds", TRANSFER, saga_id=saga_id)
        runner = Runner(store, CommandHandler(store, CODEC), registry, "test")
        with pytest.raises(Killed):
            await runner.run(saga_id, 1, "execution-1")


def saga_check(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("check", *arguments),
        cwd=ROOT,
        env=environment(SAGA_DATABASE_URL=database.url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_nothing_is_found_where_the_code_fits(database: Database) -> None:
    await leave_open(database, dies_at_once, "fits")

    checked = saga_check(database, "--json")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    report = json.loads(checked.stdout)
    assert (report["ok"], report["sagas"], report["replayed"], report["findings"]) == (True, 1, 1, [])


async def test_a_saga_that_the_code_does_not_fit_is_named_and_nothing_is_written(database: Database) -> None:
    await leave_open(database, dies_at_once, "fits")
    await leave_open(database, dies_after_a_step, "does-not")
    before = events_in(database)

    as_json, for_people = saga_check(database, "--json"), saga_check(database)

    assert (as_json.returncode, for_people.returncode) == (1, 1), as_json.stderr + for_people.stderr
    [finding] = json.loads(as_json.stdout)["findings"]
    assert (finding["kind"], finding["saga_id"], finding["step"]) == ("step", "does-not", "1")
    assert finding["recorded"].startswith("OpenAccount")
    assert finding["asked"].startswith(Withdraw.__name__)
    assert "does-not" in for_people.stdout
    assert events_in(database) == before


def test_a_database_without_tables_is_told_of(postgres_server: Any) -> None:
    url = postgres_server.url(database="postgres")
    checked = subprocess.run(
        command("check"),
        cwd=ROOT,
        env=environment(SAGA_DATABASE_URL=url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert checked.returncode == 1
    assert checked.stderr.startswith("saga: the database has no event store: run saga migrate")


def test_a_wrong_call_exits_with_2(database: Database) -> None:
    assert saga_check(database, "--jsn").returncode == 2


def events_in(database: Database) -> int:
    with psycopg.connect(database.url) as connection:
        row = connection.execute("select count(*) from eventstore.events").fetchone()
    assert row is not None
    count: int = row[0]
    return count
