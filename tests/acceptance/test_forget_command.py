"""saga forget, saga keys rewrap, and a server with the wrong master key: as an operator meets them."""

import base64
from typing import Final

import httpx
import psycopg
import pytest

from tests.acceptance.server import Json, ServerProcess, order_of, serving, stock_of, unique
from tests.acceptance.test_cli import document, error_line, run, saga
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

OLD: Final = base64.b64encode(b"o" * 32).decode()
NEW: Final = base64.b64encode(b"n" * 32).decode()


def placed(http: httpx.Client) -> Json:
    order = {**order_of(unique("person"), stock_of(http, 1)), "ship_to": {"name": "Hanna", "country": "DE"}}
    http.post(f"/aggregates/order/{order['order_id']}/place-order", json=order).raise_for_status()
    return order


def name_on(http: httpx.Client, order: Json) -> str:
    state = http.get(f"/aggregates/order/{order['order_id']}").raise_for_status().json()["state"]
    return str(state["ship_to"]["name"])


def test_it_is_asked_for_and_done(server: ServerProcess, http: httpx.Client) -> None:
    order = placed(http)
    person = order["customer_id"]

    assert "--yes" in error_line(saga(server, "forget", person, "--reason", "asked", stdin=""))
    assert name_on(http, order) == "Hanna"

    done = document(saga(server, "forget", person, "--reason", "asked", "--yes", "--json"))
    assert len(done["destroyed"]) == 1
    assert name_on(http, order) == "forgotten"
    shown = saga(server, "aggregate", "order", order["order_id"])
    assert "forgotten" in shown.stdout
    assert "Hanna" not in shown.stdout
    again = saga(server, "forget", person, "--reason", "asked", "--yes")
    assert again.stdout == f"there is no key of {person}: nothing is left to forget\n"
    [event] = http.get(f"/streams/subject-{person}").json()["events"]
    assert event["data"]["reason"] == "asked"


def test_a_master_key_comes_changes_and_is_missed(database: Database) -> None:
    urls = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}

    def served(master: str | None) -> list[str]:
        """The names on all orders so far, by a server with this master key."""
        settings = {} if master is None else {"SAGA_MASTER_KEY": master}
        with (
            serving(database.url, database.owner_url, **settings) as server,
            httpx.Client(base_url=server.url, timeout=30) as http,
        ):
            orders.append(placed(http))
            return [name_on(http, order) for order in orders]

    def refused(**settings: str) -> str:
        return error_line(run("serve", "--port", "0", **urls, **settings))

    orders: list[Json] = []
    assert served(None) == ["Hanna"]
    assert served(OLD) == ["Hanna"] * 2
    assert "set SAGA_MASTER_KEY" in refused()
    assert "SAGA_MASTER_KEY is not the one" in refused(SAGA_MASTER_KEY=NEW)
    garbled = refused(SAGA_MASTER_KEY="no-secret")
    assert garbled.startswith("SAGA_MASTER_KEY: must be 32 bytes in base64")
    assert "no-secret" not in garbled
    assert served(f"{NEW},{OLD}") == ["Hanna"] * 3

    locked = run("keys", "rewrap", **urls, SAGA_MASTER_KEY=NEW)
    assert "is not the one of all keys" in error_line(locked)
    assert "set SAGA_MASTER_KEY" in error_line(run("keys", "rewrap", **urls))
    rewrapped = document(run("keys", "rewrap", "--json", **urls, SAGA_MASTER_KEY=f"{NEW},{OLD}"))

    assert rewrapped == {"rewrapped": 2}
    assert served(NEW) == ["Hanna"] * 4
    with psycopg.connect(database.url) as connection:
        masters = connection.execute("select distinct master is null from privacy.keys").fetchall()
    assert masters == [(False,)]


def test_forgetting_needs_no_master_key_but_a_reason(server: ServerProcess, http: httpx.Client) -> None:
    person = unique("person")

    assert saga(server, "forget", person).returncode == 2
    assert http.post(f"/subjects/{person}/forget", json={}).status_code == 422
    assert http.post(f"/subjects/{person}/forget", json={"reason": ""}).status_code == 422
    assert http.post("/subjects/a b/forget", json={"reason": "x"}).status_code == 422
