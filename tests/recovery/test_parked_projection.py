"""A poison event parks one read model, visibly; an operator lets it try again, or go on without it."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import psycopg
import pytest

from app.readmodels.sagas import SagaProjection
from eventstore import RecordedEvent
from tests.acceptance.server import Json, money, until
from tests.conftest import Database
from tests.recovery.launcher import Server, serving

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

REASON = {"reason": "a test"}


def poison() -> None:
    """The list of sagas cannot take in what happens to the account `poison`."""
    apply = SagaProjection.apply

    async def poisoned(
        projection: SagaProjection,
        connection: psycopg.AsyncConnection[Any],
        events: Sequence[RecordedEvent],
    ) -> None:
        for event in events:
            if event.stream == "account-poison":
                raise ValueError("no such account")
        await apply(projection, connection, events)

    SagaProjection.apply = poisoned  # type: ignore[method-assign]


def sagas(server: Server) -> Json:
    answer: Json = httpx.get(f"{server.url}/projections/sagas").raise_for_status().json()
    return answer


def open_account(server: Server, account: str) -> int:
    answer = httpx.post(f"{server.url}/aggregates/account/{account}/open-account", json={"currency": "USD"})
    position: int = answer.raise_for_status().json()["position"]
    return position


def decide(server: Server, action: str, name: str = "sagas", **document: Any) -> httpx.Response:
    url = f"{server.url}/projections/{name}/{action}"
    return httpx.post(url, json=REASON | document, headers={"X-Actor": "ana"}, timeout=30)


def is_parked(server: Server, at: int) -> Callable[[], bool]:
    def parked() -> bool:
        view = sagas(server)["live"]["parked"]
        return view is not None and view["position"] == at

    return parked


def transfer(server: Server) -> Json:
    """A saga that ends whatever the list of sagas does."""
    body = {"source": "nobody", "target": "nobody-else", "money": money(5)}
    answer = httpx.post(
        f"{server.url}/sagas/transfer-funds", json=body, headers={"Prefer": "wait=20"}, timeout=30
    )
    saga: Json = answer.raise_for_status().json()
    return saga


def test_a_poison_event_parks_one_read_model_until_it_is_skipped(database: Database) -> None:
    with serving(database, poison) as server:
        before = transfer(server)
        at = open_account(server, "poison")
        until(is_parked(server, at))

        view = sagas(server)["live"]
        assert view["state"] == "parked"
        assert view["parked"]["reason"] == "ValueError: no such account"
        assert view["parked"]["stream"] == "account-poison"
        assert view["parked"]["attempts"] == 3
        assert view["lag"]["position"] < at
        assert transfer(server)["status"] == "compensated"  # nothing else waits
        health = httpx.get(f"{server.url}/health/ready").raise_for_status().json()
        assert "parked before AccountOpened" in health["lagging"]["sagas"]
        listed = httpx.get(f"{server.url}/projections").raise_for_status().json()["projections"]
        others = [each for each in listed if each["name"] != "sagas"]
        assert {each["kind"] for each in others} >= {"subscription"}
        assert all(each["live"]["state"] == "following" for each in others)
        shown = httpx.get(f"{server.url}/sagas").json()["sagas"]
        assert [each["saga_id"] for each in shown] == [before["saga_id"]]

        assert decide(server, "retry").status_code == 200
        until(is_parked(server, at))  # three more attempts, and parked again
        wrong = decide(server, "skip", position=at + 1000)
        assert (wrong.status_code, wrong.json()["code"]) == (409, "projection-conflict")
        assert decide(server, "skip", position=at).status_code == 200
        until(lambda: sagas(server)["live"]["lag"]["events"] == 0)

        assert len(httpx.get(f"{server.url}/sagas").json()["sagas"]) == 2
        again = decide(server, "skip")
        assert (again.status_code, again.json()["code"]) == (409, "projection-conflict")
        decisions = httpx.get(f"{server.url}/streams/projection-sagas").json()["events"]
        assert [(each["type"], each["data"]["actor"]) for each in decisions] == [
            ("ProjectionParked", "system"),
            ("ProjectionRetried", "ana"),
            ("ProjectionParked", "system"),
            ("ProjectionSkipped", "ana"),
        ]
        assert decisions[-1]["data"]["reason"] == "a test"
        assert decisions[-1]["data"]["position"] == at


def test_a_server_with_code_that_understands_the_event_goes_on_by_itself(database: Database) -> None:
    with serving(database, poison) as server:
        at = open_account(server, "poison")
        until(is_parked(server, at))
        server.kill()

    with serving(database, poison) as server:  # no better code: one more attempt, and it waits
        until(lambda: sagas(server)["live"]["parked"]["attempts"] == 4)
        assert sagas(server)["live"]["parked"]["position"] == at
        server.stop()

    with serving(database) as server:
        until(lambda: sagas(server)["live"]["lag"]["events"] == 0)
        assert sagas(server)["live"]["state"] == "following"
        types = [e["type"] for e in httpx.get(f"{server.url}/streams/projection-sagas").json()["events"]]
        assert types == ["ProjectionParked", "ProjectionParked", "ProjectionWentOn"]


def test_what_cannot_be_asked_is_answered_with_a_problem(database: Database) -> None:
    with serving(database) as server:
        for action in ("retry", "skip", "rebuild", "pause", "promote", "return", "discard"):
            assert decide(server, action, name="nobody").status_code == 404
            url = f"{server.url}/projections/sagas/{action}"
            assert httpx.post(url, json={}).status_code == 422
        for action in ("retry", "skip", "pause", "resume", "promote", "return", "discard"):
            refused = decide(server, action)
            assert (refused.status_code, refused.json()["code"]) == (409, "projection-conflict")
        assert httpx.get(f"{server.url}/projections/nobody").status_code == 404
        assert httpx.get(f"{server.url}/projections/nobody/diff").status_code == 404
        assert httpx.get(f"{server.url}/projections/sagas/diff").status_code == 409
