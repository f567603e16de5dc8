"""The first run begins in the server that was asked, DBOS's row before the journal: killed, frozen and raced
between the two."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from dbos import DBOS

from eventstore import Appended, Batch
from eventstore.postgres import PostgresEventStore
from tests.acceptance.server import Json, money, until
from tests.conftest import Database
from tests.recovery.faults import DieAtAppend
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, open_account, saga, state
from workflows.saga.dbos_runs import DbosRuns, PendingRun

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROUNDS = 40
TRANSFER: Json = {"source": "ana", "target": "bob", "money": money(1)}
FUNDS = 1_000


def freeze_before_the_request() -> None:
    """Freezes, once, when DBOS has the row of the first run and the saga is about to be requested."""
    append = PostgresEventStore.append

    async def freezing(store: PostgresEventStore, batches: Sequence[Batch], **options: Any) -> Appended:
        if any(event.type == "SagaRequested" for batch in batches for event in batch.events):
            PostgresEventStore.append = append  # type: ignore[method-assign]
            os.kill(os.getpid(), signal.SIGSTOP)
        return await append(store, batches, **options)

    PostgresEventStore.append = freezing  # type: ignore[method-assign, assignment]


def resume_what_was_left_while_somebody_asks() -> None:
    """The left run is taken from the queue after somebody asked, and before DBOS refuses a second row."""
    resume, start, ours = DbosRuns.resume, DBOS.start_workflow_async, list[DbosRuns]()

    async def resuming(runs: DbosRuns, left: Iterable[PendingRun]) -> None:
        ours.append(runs)
        while not runs._direct:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.01)
        await resume(runs, left)

    async def refused_late(*arguments: Any) -> Any:
        while not ours or ours[0]._direct:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return await start(*arguments)

    DbosRuns.resume = resuming  # type: ignore[method-assign, assignment]
    DBOS.start_workflow_async = refused_late  # type: ignore[method-assign, assignment]


def _ending(late: Callable[[DbosRuns, Any], Awaitable[Any]]) -> None:
    """`late` is what DBOS answers to a start; it is given the runs and DBOS's own answer."""
    begin, start = DbosRuns.begin, DBOS.start_workflow_async

    async def beginning(runs: DbosRuns, *arguments: Any) -> Any:
        DBOS.start_workflow_async = lambda *given: late(runs, lambda: start(*given))  # type: ignore[method-assign]
        return await begin(runs, *arguments)

    DbosRuns.begin = beginning  # type: ignore[method-assign]


def end_before_the_row() -> None:
    """DBOS has ended, as after a lost lease, when a start that was let in comes to it."""

    async def late(runs: DbosRuns, start: Callable[[], Awaitable[Any]]) -> Any:
        await runs.destroy(0)
        return await start()

    _ending(late)


def end_before_the_run() -> None:
    """DBOS ends when a start waits for its run, which comes here no more."""
    endings: list[asyncio.Task[None]] = []

    async def late(runs: DbosRuns, _start: Callable[[], Awaitable[Any]]) -> None:
        endings.append(asyncio.create_task(runs.destroy(0)))

    _ending(late)


def open_accounts(http: httpx.Client) -> None:
    open_account(http, "ana", FUNDS)
    open_account(http, "bob")


def begin(http: httpx.Client, saga_id: str) -> httpx.Response:
    return http.post("/sagas/transfer-funds", json=TRANSFER, headers={"Idempotency-Key": saga_id})


def left_behind(database: Database, saga_id: str) -> Look:
    """DBOS has a first run of this id, and there is no journal."""
    look = Look(database)
    with (
        serving(database, DieAtAppend(saga_id, 1, "before")) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_accounts(http)
        with pytest.raises(httpx.TransportError):
            begin(http, saga_id)
        server.exit_code()
    assert look.journal(saga_id) == []
    assert [row["workflow_uuid"] for row in rows(look, saga_id)] == [saga_id]
    return look


def rows(look: Look, saga_id: str) -> list[dict[str, Any]]:
    return look.rows(
        """select workflow_uuid, status from dbos.workflow_status
            where split_part(workflow_uuid, '/', 1) = %(saga_id)s order by 1""",
        saga_id=saga_id,
    )


def test_nobody_was_told_yes_by_one_killed_before_the_journal_and_asking_again_starts_it(
    database: Database,
) -> None:
    look = left_behind(database, "pay-1")
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        # The run that was left is resumed, and ends with nothing done.
        until(lambda: [row["status"] for row in rows(look, "pay-1")] == ["SUCCESS"])
        assert http.get("/sagas/pay-1").status_code == 404

        started = begin(http, "pay-1")
        await_end(http, "pay-1")
        again = begin(http, "pay-1")

        assert (started.status_code, again.json()["status"]) == (202, "completed")
        assert look.journal("pay-1", "SagaRequested")[0]["data"]["run"] == 2
        assert state(http, "account", "bob")["balance"] == 1
        until(lambda: [row["status"] for row in rows(look, "pay-1")] == ["SUCCESS", "SUCCESS"])
        assert not look.steps_done_twice()


def test_a_left_run_that_is_resumed_while_somebody_asks_for_its_saga_is_its_first_run(
    database: Database,
) -> None:
    """DBOS has one row, so this is the run that may go on; who asked finds his saga."""
    look = left_behind(database, "pay-1")
    with (
        serving(database, resume_what_was_left_while_somebody_asks) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        started = begin(http, "pay-1")
        assert started.is_success, (started.text, server.log.read_text())
        await_end(http, "pay-1")

        assert (started.status_code, begin(http, "pay-1").json()["status"]) == (202, "completed")
        assert [entry["data"]["run"] for entry in look.journal("pay-1", "SagaRequested")] == [1]
        assert state(http, "account", "bob")["balance"] == 1
        until(lambda: [row["status"] for row in rows(look, "pay-1")] == ["SUCCESS"])
        assert not look.steps_done_twice()


def test_a_batch_takes_an_id_of_which_a_run_is_left(database: Database) -> None:
    left_behind(database, "pay-2")
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        batch = {"sagas": [{"id": name, "input": TRANSFER} for name in ("pay-1", "pay-2", "pay-3")]}

        started = http.post("/sagas/transfer-funds/batch", json=batch)

        assert started.status_code == 202, started.text
        await_end(http, "pay-1", "pay-2", "pay-3")
        assert state(http, "account", "bob")["balance"] == 3


def test_one_frozen_before_the_journal_finds_that_another_was_first(database: Database) -> None:
    look = Look(database)
    with (
        serving(database) as other,
        httpx.Client(base_url=other.url, timeout=60) as http,
    ):
        open_accounts(http)
        with (
            serving(database, freeze_before_the_request) as frozen,
            httpx.Client(base_url=frozen.url, timeout=120) as slow,
            ThreadPoolExecutor(1) as thread,
        ):
            asked = thread.submit(begin, slow, "pay-1")
            until(lambda: bool(rows(look, "pay-1")))

            assert begin(http, "pay-1").status_code == 202
            await_end(http, "pay-1")
            frozen.thaw()

            late = asked.result()
            assert late.status_code in (202, 503)  # the database may have ended what it had open
            assert late.status_code == 503 or late.json()["saga_id"] == "pay-1"
        assert (
            look.value("select count(*) from eventstore.events where stream = 'saga-pay-1' and version = 1")
            == 1
        )
        assert not look.steps_done_twice()
        assert state(http, "account", "bob")["balance"] == 1


@pytest.mark.parametrize("ends", [end_before_the_row, end_before_the_run])
def test_one_that_stops_under_a_start_leaves_it_to_the_others(
    database: Database, ends: Callable[[], None]
) -> None:
    look = Look(database)
    with (
        serving(database) as other,
        httpx.Client(base_url=other.url, timeout=60) as http,
        serving(database, ends) as server,
        httpx.Client(base_url=server.url, timeout=60) as stopping,
    ):
        open_accounts(http)

        started = begin(stopping, "pay-1")

        assert started.status_code == 202, (started.text, server.log.read_text())
        await_end(http, "pay-1")
        assert state(http, "account", "bob")["balance"] == 1
        assert not look.steps_done_twice()


def test_asked_for_at_two_servers_at_once_it_is_one_saga(database: Database) -> None:
    look = Look(database)
    with (
        serving(database) as first,
        serving(database) as second,
        httpx.Client(base_url=first.url, timeout=60) as one,
        httpx.Client(base_url=second.url, timeout=60) as two,
        ThreadPoolExecutor(4) as threads,
    ):
        open_accounts(one)
        sagas = [f"pay-{number}" for number in range(ROUNDS)]
        for saga_id in sagas:
            asked = [threads.submit(begin, http, saga_id) for http in (one, two, one, two)]
            assert {answer.result().json()["saga_id"] for answer in asked} == {saga_id}
        await_end(one, *sagas)

        assert all(saga(one, saga_id)["status"] == "completed" for saga_id in sagas)
        assert state(one, "account", "bob")["balance"] == ROUNDS
        assert not look.steps_done_twice()
        assert all(len(look.journal(saga_id, "SagaRequested")) == 1 for saga_id in sagas)


def test_a_first_run_that_dies_under_way_is_gone_on_with(database: Database) -> None:
    """Its row is in no queue: it is resumed into that of its saga."""
    look = Look(database)
    with serving(database) as other, httpx.Client(base_url=other.url, timeout=60) as http:
        open_accounts(http)
        with (
            serving(database, DieAtAppend("pay-1", 2, "after")) as server,
            httpx.Client(base_url=server.url, timeout=60) as dying,
        ):
            begin(dying, "pay-1")
            server.exit_code()
            await_end(http, "pay-1")

        assert state(http, "account", "bob")["balance"] == 1
        assert not look.steps_done_twice()
        until(lambda: "pay-1" in look.runs("SUCCESS"))
