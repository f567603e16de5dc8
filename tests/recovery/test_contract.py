"""What users of a saga library rely on, each scenario once, over HTTP against a real server."""

import httpx
import pytest

from tests.acceptance.server import Json, until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.scripted import (
    NO_ACCOUNT,
    ask,
    await_status,
    balance,
    book,
    child,
    deposit,
    go,
    run_script,
    serve_scripted,
    undone,
    wait,
)
from tests.recovery.shop import Carrier, Look, await_end, behave, open_account, saga, state

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def compensations(look: Look, saga_id: str) -> list[str]:
    """The steps that were undone, in the order in which they were."""
    return [entry["data"]["step"] for entry in look.journal(saga_id, "StepCompensated")]


def events_of(look: Look, account: str) -> list[str]:
    rows = look.rows(
        "select type from eventstore.events where stream = %(stream)s order by version",
        stream=f"account-{account}",
    )
    return [row["type"] for row in rows]


def test_success_runs_no_compensation(scripts: httpx.Client, shared_look: Look) -> None:
    saga_id = run_script(scripts, "success", *map(deposit, ("s-a", "s-b", "s-c", "s-d")))

    completed = await_status(scripts, saga_id, "completed")

    assert [step["status"] for step in completed["steps"]] == ["succeeded"] * 4
    assert set(undone(completed["steps"]).values()) == {"pending"}
    assert shared_look.journal(saga_id, "CompensationStarted", "StepCompensated") == []


def test_a_failure_at_the_last_step_undoes_the_others_once_each_in_reverse(
    scripts: httpx.Client, shared_look: Look
) -> None:
    accounts = ("l-a", "l-b", "l-c")
    saga_id = run_script(scripts, "last", *map(deposit, accounts), NO_ACCOUNT)

    compensated = await_status(scripts, saga_id, "compensated")

    assert compensations(shared_look, saga_id) == ["3", "2", "1"]
    assert [step["status"] for step in compensated["steps"]] == ["compensated"] * 3 + ["rejected"]
    for account in accounts:
        assert events_of(shared_look, account) == ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn"]


def test_a_failure_at_the_first_step_undoes_nothing(scripts: httpx.Client, shared_look: Look) -> None:
    saga_id = run_script(scripts, "first", NO_ACCOUNT, deposit("f-b"))

    compensated = await_status(scripts, saga_id, "compensated")

    assert [step["status"] for step in compensated["steps"]] == ["rejected"]
    assert shared_look.journal(saga_id, "StepCompensated") == []
    assert events_of(shared_look, "f-b") == ["AccountOpened"]


def test_a_refusal_keeps_its_code_and_data(scripts: httpx.Client) -> None:
    open_account(scripts, "poor", 5)
    money = {"amount": 100, "currency": "USD"}
    body = {"source": "poor", "target": "poor-too", "money": money}
    refused = scripts.post("/aggregates/account/poor/withdraw", json={"money": money}).json()

    started = scripts.post("/sagas/transfer-funds", json=body, headers={"Prefer": "wait=20"}).json()

    assert refused["data"]
    assert started["error"] == {
        "code": refused["rejection"],
        "detail": refused["reason"],
        "step": "1",
        "data": refused["data"],
    }


def test_a_compensation_that_fails_twice_and_then_succeeds_has_one_effect(
    scripts: httpx.Client, shared_look: Look
) -> None:
    behave(scripts, mode="fail", operation="cancel", times=2, order_id="twice")
    saga_id = run_script(scripts, "twice", book("twice"), NO_ACCOUNT)

    compensated = await_status(scripts, saga_id, "compensated")

    [booking] = shared_look.bookings("twice")
    assert booking["status"] == "cancelled"
    assert compensated["steps"][0]["compensation"]["attempts"] == 3
    assert len(shared_look.journal(saga_id, "CompensationFailed")) == 2
    assert compensations(shared_look, saga_id) == ["1"]


def test_a_compensation_that_cannot_succeed_names_itself_and_stops(
    scripts: httpx.Client, shared_look: Look
) -> None:
    behave(scripts, mode="refuse", operation="cancel", order_id="never")
    saga_id = run_script(scripts, "never", deposit("n-a"), book("never"), deposit("n-c"), NO_ACCOUNT)

    stuck = await_status(scripts, saga_id, "stuck")

    assert (stuck["stuck"]["reason"], stuck["stuck"]["step"]) == ("compensation-failed", "2")
    assert "book-carrier" in stuck["stuck"]["error"]
    assert undone(stuck["steps"]) == {"1": "pending", "2": "failed", "3": "compensated", "4": None}
    assert balance(scripts, "n-a") == 1

    behave(scripts, mode="ok")
    assert ask(scripts, saga_id, "retry").status_code == 202
    await_status(scripts, saga_id, "compensated")
    assert compensations(shared_look, saga_id) == ["3", "2", "1"]
    assert balance(scripts, "n-a") == 0


def test_an_operator_sees_how_far_each_compensation_has_come(scripts: httpx.Client) -> None:
    behave(scripts, mode="fail", operation="cancel", order_id="slow")
    saga_id = run_script(scripts, "slow", deposit("o-a"), book("slow"), deposit("o-c"), NO_ACCOUNT)

    steps: list[Json] = []

    def between_attempts() -> bool:
        steps[:] = saga(scripts, saga_id)["steps"]
        undo = steps[1]["compensation"] if steps[1:] else None
        return bool(undo and undo["error"] and undo["retry_at"])

    until(between_attempts)
    assert undone(steps) == {"1": "pending", "2": "compensating", "3": "compensated", "4": None}
    behave(scripts, mode="ok")
    ask(scripts, saga_id, "retry")
    await_end(scripts, saga_id)


def test_a_completed_saga_is_undone(scripts: httpx.Client, shared_look: Look) -> None:
    saga_id = run_script(scripts, "undo", deposit("u-a"), deposit("u-b"))
    await_status(scripts, saga_id, "completed")

    ask(scripts, saga_id, "compensate").raise_for_status()

    await_status(scripts, saga_id, "compensated")
    assert compensations(shared_look, saga_id) == ["2", "1"]
    assert (balance(scripts, "u-a"), balance(scripts, "u-b")) == (0, 0)


def test_children_are_undone_leaves_first(scripts: httpx.Client, shared_look: Look) -> None:
    inner = child("leaf", deposit("c-leaf"))
    run_script(scripts, "root", deposit("c-root"), child("middle", deposit("c-middle"), inner), wait())
    until(lambda: saga(scripts, "root")["waits_for"] is not None and bool(saga(scripts, "root")["steps"][2:]))

    ask(scripts, "root", "compensate").raise_for_status()

    await_end(scripts, "root", "middle", "leaf")
    assert [saga(scripts, each)["status"] for each in ("leaf", "middle", "root")] == ["compensated"] * 3
    rows = shared_look.rows(
        """select stream from eventstore.events
            where type = 'SagaCompensated' and stream in ('saga-root', 'saga-middle', 'saga-leaf')
            order by position"""
    )
    assert [row["stream"] for row in rows] == ["saga-leaf", "saga-middle", "saga-root"]


def test_a_worker_killed_while_it_compensates_goes_on_without_doing_anything_twice(
    database: Database, carrier: Carrier
) -> None:
    look = Look(database)
    faults = (serve_scripted, ShortCalls())
    carrier.behave(mode="slow", operation="cancel", delay_ms=60_000)
    with serving(database, *faults, SAGA_CARRIER_URL=carrier.url) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            run_script(http, "killed", deposit("k-a"), book("killed"), deposit("k-c"), NO_ACCOUNT)
        until(lambda: [row["status"] for row in carrier.look.bookings("killed")] == ["cancelled"])
        assert look.journal("killed", "CompensationAttempted")
        server.kill()
    carrier.behave(mode="ok")

    with (
        serving(database, *faults, SAGA_CARRIER_URL=carrier.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        await_end(http, "killed")
        assert saga(http, "killed")["status"] == "compensated"
        assert state(http, "account", "k-a")["balance"] == 0

    assert compensations(look, "killed") == ["3", "2", "1"]
    assert look.steps_done_twice() == []
    for account in ("k-a", "k-c"):
        assert events_of(look, account) == ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn"]


def test_a_saga_that_waits_survives_a_kill_and_goes_on_when_the_signal_comes(database: Database) -> None:
    look = Look(database)
    with serving(database, serve_scripted) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        run_script(http, "asleep", deposit("w-a"), wait(), deposit("w-b"))
        await_status(http, "asleep", "waiting")
        server.kill()

    with serving(database, serve_scripted) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        waiting = saga(http, "asleep")
        assert (waiting["status"], waiting["waits_for"]["signals"]) == ("waiting", ["go"])
        # A run that was killed just before it ended is resumed, and finds nothing to do.
        until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"))

        assert go(http, "asleep", id="one").status_code == 202

        assert await_status(http, "asleep", "completed")["result"] == {"heard": ["go"]}
    assert look.steps_done_twice() == []
