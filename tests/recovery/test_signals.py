"""Signals over HTTP: taken once, kept when they come early, refused for a reason."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.acceptance.server import Json
from tests.conftest import Database
from tests.recovery.launcher import serving
from tests.recovery.scripted import (
    ask,
    await_status,
    book,
    deposit,
    go,
    run_script,
    serve_scripted,
    wait,
)
from tests.recovery.shop import Look, behave, saga
from workflows.saga import operations
from workflows.saga.operations import SIGNAL_BYTES_MAX
from workflows.saga.state import SIGNAL_TIMES_KEPT

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def waiting(http: httpx.Client, saga_id: str) -> Json:
    run_script(http, saga_id, wait())
    return await_status(http, saga_id, "waiting")


def test_a_signal_wakes_the_saga_that_waits_for_it(scripts: httpx.Client) -> None:
    assert waiting(scripts, "woken")["waits_for"] == {"until": None, "signals": ["go"], "children": []}

    answer = scripts.post(
        "/sagas/woken/signals/go", json={"data": {"amount": 1, "note": "hello"}}, headers={"X-Actor": "ana"}
    )

    assert (answer.status_code, answer.json()["saga_id"]) == (202, "woken")
    assert answer.headers["ETag"] == f'"{answer.json()["journal_version"]}"'
    assert await_status(scripts, "woken", "completed")["result"] == {"heard": ["hello"]}


def test_the_same_id_again_counts_once(scripts: httpx.Client, shared_look: Look) -> None:
    run_script(scripts, "once", wait(), wait())
    await_status(scripts, "once", "waiting")

    answers = [go(scripts, "once", id="one") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert len(shared_look.journal("once", "SignalReceived")) == 1
    assert go(scripts, "once", id="two").status_code == 202
    await_status(scripts, "once", "completed")
    assert go(scripts, "once", id="one").json()["status"] == "completed"


def test_an_id_belongs_to_one_signal(scripts: httpx.Client) -> None:
    run_script(scripts, "reused", wait(), wait())
    await_status(scripts, "reused", "waiting")
    go(scripts, "reused", id="one").raise_for_status()

    answer = go(scripts, "reused", id="one", data={"amount": 2})

    assert (answer.status_code, answer.json()["code"]) == (409, "signal-conflict")


def test_an_early_signal_is_kept(scripts: httpx.Client) -> None:
    run_script(scripts, "early", wait(), wait())
    await_status(scripts, "early", "waiting")

    for number in range(2):
        go(scripts, "early", id=f"{number}", data={"amount": 1, "note": f"note {number}"}).raise_for_status()

    assert await_status(scripts, "early", "completed")["result"] == {"heard": ["note 0", "note 1"]}


def test_a_signal_that_the_saga_does_not_know_is_refused(scripts: httpx.Client) -> None:
    waiting(scripts, "picky")

    answer = scripts.post("/sagas/picky/signals/nonsense", json={"data": {}})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-signal")
    assert answer.json()["detail"] == "scripted receives no signal 'nonsense'; it receives go"
    assert go(scripts, "no-such-saga").json()["code"] == "saga-not-found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": {}}, "data.amount"),
        ({"data": {"amount": -1}}, "data.amount"),
        ({"data": {"amount": "many"}}, "data.amount"),
        ({"data": {"amount": 1, "note": "a\0b"}}, "data.note"),
        ({"data": []}, "data"),
        ({"data": None}, "data"),
        ({}, "data.amount"),
        ({"id": "a b", "data": {"amount": 1}}, "id"),
        ({"id": "", "data": {"amount": 1}}, "id"),
        ({"data": {"amount": 1}, "more": 1}, "more"),
    ],
)
def test_a_wrong_field_is_named(scripts: httpx.Client, body: Any, field: str) -> None:
    run_script(scripts, "typed", wait())

    answer = scripts.post("/sagas/typed/signals/go", json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_saga_that_has_ended_or_is_undone_takes_none(scripts: httpx.Client) -> None:
    run_script(scripts, "over", deposit("over"))
    await_status(scripts, "over", "completed")
    waiting(scripts, "stopped")
    ask(scripts, "stopped", "compensate")

    for saga_id in ("over", "stopped"):
        answer = go(scripts, saga_id)

        assert (answer.status_code, answer.json()["code"]) == (409, "not-possible")


def test_a_signal_has_a_bound_and_must_be_text_that_can_be_stored(scripts: httpx.Client) -> None:
    waiting(scripts, "large")

    large = go(scripts, "large", data={"amount": 1, "text": "x" * SIGNAL_BYTES_MAX})
    strange = go(scripts, "large", data={"amount": 1, "text": "a\0b"})

    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    assert (strange.status_code, strange.json()["code"]) == (422, "invalid")
    assert saga(scripts, "large")["status"] == "waiting"


def long_second() -> None:
    """In which also a busy machine sends too many signals."""
    operations.SIGNAL_PERIOD = timedelta(minutes=10)  # type: ignore[misc]


def test_a_flood_is_told_to_come_again(database: Database) -> None:
    with (
        serving(database, serve_scripted, long_second) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        ThreadPoolExecutor(8) as senders,
    ):
        behave(http, mode="slow", delay_ms=60_000, order_id="flood")
        run_script(http, "flood", book("flood"))

        answers = list(
            senders.map(lambda number: go(http, "flood", id=f"{number}"), range(8 * SIGNAL_TIMES_KEPT))
        )

    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(answers) - len(refused) == SIGNAL_TIMES_KEPT
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(429, "too-many-signals")}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
