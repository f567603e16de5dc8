"""Rebuilding a read model on a real server: over HTTP, and with each command."""

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.secured import fresh
from tests.acceptance.server import (
    ROOT,
    Json,
    ServerProcess,
    account_with,
    command,
    environment,
    money,
    serving,
    start,
    until,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

WHY = ("--reason", "a test")


@pytest.fixture(scope="module")
def server(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[ServerProcess]:
    """One of this module's own: the lists that are compared are not to move by what other tests began."""
    with (
        fresh(postgres_server, template_database, "projections") as (url, owner),
        serving(url, owner) as process,
    ):
        yield process


def saga(server: ServerProcess, *arguments: str, code: int = 0) -> str:
    """What `saga projections …` prints."""
    done = subprocess.run(
        command("projections", *arguments),
        cwd=ROOT,
        env=environment(SAGA_URL=server.url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def sagas(http: httpx.Client) -> Json:
    view: Json = http.get("/projections/sagas").raise_for_status().json()
    return view


def transfers(http: httpx.Client, count: int) -> None:
    source, target = account_with(http, 1000), account_with(http, 0)
    for _ in range(count):
        body = {"source": source, "target": target, "money": money(1)}
        start(http, "transfer-funds", body).raise_for_status()


def listed(http: httpx.Client) -> Json:
    page: Json = http.get("/sagas", params={"limit": 500}).raise_for_status().json()
    return page


def test_a_read_model_is_rebuilt_compared_promoted_and_returned_to(
    server: ServerProcess, http: httpx.Client
) -> None:
    transfers(http, 3)
    until(lambda: sagas(http)["live"]["lag"]["events"] == 0)
    before = listed(http)

    lines = saga(server, "rebuild", "sagas", *WHY, "--wait", "--json").splitlines()
    assert json.loads(lines[-1])["staging"]["lag"]["events"] == 0
    refused = saga(server, "rebuild", "sagas", *WHY, code=1)
    assert "a rebuild is there since" in refused

    paused = json.loads(saga(server, "pause", "sagas", *WHY, "--json"))
    assert paused["staging"]["state"] == "paused"
    assert "paused" in saga(server, "show", "sagas")
    assert "following" in saga(server, "resume", "sagas", *WHY, "--wait")
    until(lambda: sagas(http)["staging"]["lag"]["events"] == 0)

    difference = json.loads(saga(server, "diff", "sagas", "--full", "--json"))
    assert (difference["same"], difference["full"]) == (True, True)
    assert difference["position"] == difference["position_live"] == difference["position_other"]
    [table] = difference["tables"]
    assert table["rows_live"] == table["rows_other"] == table["compared"] > 0
    assert "no difference" in saga(server, "diff", "sagas")

    promoted = json.loads(saga(server, "promote", "sagas", *WHY, "--json"))
    assert promoted["staging"] is None
    assert promoted["previous"]["version"] == 1
    assert listed(http) == before
    transfers(http, 1)
    until(lambda: sagas(http)["live"]["lag"]["events"] == 0)
    assert len(listed(http)["sagas"]) == len(before["sagas"]) + 1

    returned = json.loads(saga(server, "return", "sagas", *WHY, "--json"))
    assert returned["live"]["lag"]["events"] <= 2
    assert len(listed(http)["sagas"]) == len(before["sagas"]) + 1

    assert "sagas" in saga(server, "discard", "sagas", "--of", "previous", *WHY)
    assert sagas(http)["previous"] is None
    assert "there is no rebuild" in saga(server, "discard", "sagas", *WHY, code=1)
    decisions = http.get("/streams/projection-sagas").json()["events"]
    assert [event["type"].removeprefix("Projection") for event in decisions] == [
        "RebuildStarted",
        "RebuildPaused",
        "RebuildResumed",
        "Promoted",
        "Returned",
        "Discarded",
    ]
    assert all(event["data"]["reason"] == "a test" for event in decisions)


def test_followers_are_listed_with_how_far_behind_they_are(server: ServerProcess, http: httpx.Client) -> None:
    until(lambda: sagas(http)["live"]["lag"]["events"] == 0)

    document = json.loads(saga(server, "list", "--json"))
    kinds = {each["name"]: each["kind"] for each in document["projections"]}
    assert kinds["sagas"] == "projection"
    assert kinds["start-replenish-stock"] == "subscription"
    table = saga(server, "list")
    assert "start-replenish-stock" in table
    assert "following" in table


def test_what_is_not_parked_cannot_be_retried_or_skipped(server: ServerProcess) -> None:
    for action in ("retry", "skip"):
        refused = saga(server, action, "start-replenish-stock", *WHY, code=1)
        assert (
            refused == "saga: start-replenish-stock: it is not parked but following (projection-conflict)\n"
        )
    assert "unknown-projection" in saga(server, "show", "nobody", code=1)
