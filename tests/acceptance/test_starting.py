"""Starting sagas later and many at once, over HTTP and from the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.server import Json, ServerProcess, account_with, money, unique, until
from tests.acceptance.test_bad_input import fields_of, problem_of
from tests.acceptance.test_cli import document, error_line, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TRANSFERS = "/sagas/transfer-funds"
TOMORROW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
NOBODY = {"source": "nobody-1", "target": "nobody-2", "money": money(1)}


@pytest.fixture
def transfer(http: httpx.Client) -> Json:
    return {"source": account_with(http, 1000), "target": account_with(http, 0), "money": money(40)}


def batch(*sagas: tuple[str, Json]) -> Json:
    return {"sagas": [{"id": saga_id, "input": asked} for saga_id, asked in sagas]}


def listed(http: httpx.Client, saga_id: str) -> bool:
    sagas = http.get("/sagas?limit=1000").raise_for_status().json()["sagas"]
    return any(row["saga_id"] == saga_id and row["status"] == "queued" for row in sagas)


def test_a_saga_starts_at_its_time_and_not_before(http: httpx.Client, transfer: Json) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=10)

    answer = http.post(TRANSFERS, json=transfer, params={"at": soon.isoformat()})

    assert answer.status_code == 202
    started = answer.json()
    assert (started["status"], started["steps"]) == ("queued", [])
    assert datetime.fromisoformat(started["resumes_at"]) == soon
    path = answer.headers["Location"]
    until(lambda: http.get(path).json()["status"] == "completed")
    [first] = [step for step in http.get(path).json()["steps"] if step["step"] == "1"]
    assert datetime.fromisoformat(first["started_at"]) >= soon


def test_a_saga_that_starts_tomorrow_can_be_undone_today(http: httpx.Client) -> None:
    answer = http.post(TRANSFERS, json=NOBODY, params={"at": TOMORROW.isoformat()})
    path = answer.headers["Location"]
    until(lambda: listed(http, answer.json()["saga_id"]))

    http.post(f"{path}/compensate", json={"reason": "changed our minds"}).raise_for_status()

    until(lambda: http.get(path).json()["status"] == "compensated")
    assert http.get(path).json()["steps"] == []


@pytest.mark.parametrize(
    "at", ["tomorrow", "2026-12-24", "2026-12-24T18:00:00", "2026-13-24T18:00:00Z", "1766599200", ""]
)
def test_a_time_that_is_none_is_refused(http: httpx.Client, at: str) -> None:
    assert fields_of(http.post(TRANSFERS, json=NOBODY, params={"at": at})) == ["at"]


def test_a_time_outside_of_the_calendar_is_refused(http: httpx.Client) -> None:
    answer = http.post(TRANSFERS, json=NOBODY, params={"at": "0001-01-01T00:00:00+14:00"})

    assert "out of range" in problem_of(answer, 422)["detail"]


def test_a_batch_starts_all_of_its_sagas_and_again_none(http: httpx.Client, transfer: Json) -> None:
    first, second = unique("batch"), unique("batch")
    asked = batch((first, transfer), (second, {**transfer, "money": money(50)}))

    answer = http.post(f"{TRANSFERS}/batch", json=asked, headers={"X-Actor": "ana"})
    again = http.post(f"{TRANSFERS}/batch", json=asked)

    assert (answer.status_code, again.status_code) == (202, 202)
    sagas = answer.json()["sagas"]
    assert [(each["saga_id"], each["created"]) for each in sagas] == [(first, True), (second, True)]
    assert [each["created"] for each in again.json()["sagas"]] == [False, False]
    for each in sagas:
        until(lambda link=each["links"]["self"]: http.get(link).json()["status"] == "completed")
    balance = http.get(f"/aggregates/account/{transfer['target']}").json()["state"]["balance"]
    assert balance == 90


def test_a_batch_with_an_id_of_another_request_starts_nothing(http: httpx.Client, transfer: Json) -> None:
    taken, fresh = unique("batch"), unique("batch")
    http.post(f"{TRANSFERS}/batch", json=batch((taken, transfer))).raise_for_status()

    answer = http.post(f"{TRANSFERS}/batch", json=batch((fresh, transfer), (taken, NOBODY)))

    problem = problem_of(answer, 409)
    assert problem["code"] == "saga-conflict"
    assert taken in problem["detail"]
    assert http.get(f"/sagas/{fresh}").status_code == 404


def test_a_batch_without_ids_makes_them(http: httpx.Client) -> None:
    asked: Json = {"sagas": [{"input": NOBODY}, {"input": NOBODY}]}

    sagas = http.post(f"{TRANSFERS}/batch", json=asked).raise_for_status().json()["sagas"]

    assert len({each["saga_id"] for each in sagas}) == 2


def bad_batches() -> list[Any]:
    too_many = [{"input": NOBODY}] * 65
    wrong = {"input": {**NOBODY, "money": money(-1)}}
    return [
        pytest.param({}, ["sagas"], id="nothing"),
        pytest.param({"sagas": []}, ["sagas"], id="empty"),
        pytest.param({"sagas": too_many}, ["sagas"], id="too-many"),
        pytest.param({"sagas": [{"id": "a"}]}, ["sagas.0.input"], id="no-input"),
        pytest.param({"sagas": [{"id": "a/2", "input": NOBODY}]}, ["sagas.0.id"], id="bad-id"),
        pytest.param({"sagas": [{"input": NOBODY, "at": "x"}]}, ["sagas.0.at"], id="unknown-field"),
        pytest.param({"sagas": [{"input": NOBODY}, wrong]}, ["sagas.1.input.money.amount"], id="bad-input"),
    ]


@pytest.mark.parametrize(("body", "fields"), bad_batches())
def test_a_batch_that_is_wrong_is_refused_with_the_place(
    http: httpx.Client, body: Json, fields: list[str]
) -> None:
    assert fields_of(http.post(f"{TRANSFERS}/batch", json=body)) == fields


def test_two_of_one_id_in_a_batch_are_refused(http: httpx.Client) -> None:
    answer = http.post(f"{TRANSFERS}/batch", json=batch(("twice", NOBODY), ("twice", NOBODY)))

    assert problem_of(answer, 422)["code"] == "invalid-batch"
    assert http.post("/sagas/no-such-saga/batch", json=batch(("a", NOBODY))).status_code == 404


@pytest.mark.parametrize("lines", [False, True])
def test_the_command_starts_a_batch_from_a_file(server: ServerProcess, tmp_path: Path, lines: bool) -> None:
    ids = [unique("cli-batch"), unique("cli-batch")]
    sagas = batch(*((saga_id, NOBODY) for saga_id in ids))["sagas"]
    path = tmp_path / "sagas.json"
    path.write_text("\n".join(map(json.dumps, sagas)) if lines else json.dumps(sagas, indent=2))

    people = saga(server, "start", "transfer-funds", "--batch", f"@{path}")
    again = document(
        saga(server, "start", "transfer-funds", "--batch", "-", "--json", stdin=path.read_text())
    )

    assert people.returncode == 0, people.stderr
    assert all(saga_id in people.stdout for saga_id in ids)
    assert [(each["saga_id"], each["created"]) for each in again["sagas"]] == [
        (ids[0], False),
        (ids[1], False),
    ]


def test_the_command_starts_a_saga_later(server: ServerProcess) -> None:
    asked = json.dumps(NOBODY)

    at = document(saga(server, "start", "transfer-funds", asked, "--at", TOMORROW.isoformat(), "--json"))
    later = document(saga(server, "start", "transfer-funds", asked, "--in", "36h", "--json"))
    people = saga(server, "show", at["saga_id"])

    assert datetime.fromisoformat(at["resumes_at"]) == TOMORROW
    wait = datetime.fromisoformat(later["resumes_at"]) - datetime.now(UTC)
    assert timedelta(hours=35) < wait <= timedelta(hours=36)
    assert f"starts at {TOMORROW:%Y-%m-%d %H:%M:%S} UTC" in people.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--in", "soon"], "such as 15m"),
        (["--at", "noon"], "--at is no time"),
        (["--at", "2026-12-24T18:00:00Z", "--in", "1h"], "give one of them"),
        (["--batch", "[]", "--wait"], "nothing else can be said with it"),
        (["--batch", "[1]"], "consists of JSON objects"),
        (["--batch", "{"], "not JSON"),
        (["--batch", "@no-such-file"], "cannot read no-such-file"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    server: ServerProcess, options: list[str], complaint: str
) -> None:
    asked = [] if "--batch" in options else [json.dumps(NOBODY)]

    assert complaint in error_line(saga(server, "start", "transfer-funds", *asked, *options))
