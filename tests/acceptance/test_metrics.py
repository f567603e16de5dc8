"""GET /metrics of real servers and workers that ran sagas: what it counts is what happened."""

import re
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from tests.acceptance.secured import Secured, fresh
from tests.acceptance.server import Json, account_with, money, serving, until
from tests.conftest import Database
from tests.docs.pages import page

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SAGA = "transfer-funds"
_ROW = re.compile(r"^\| `(saga_\w+)` \| (\w+) \|(.*?)\| .+ \|$", re.M)
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(http: httpx.Client) -> Figures:
    families = text_string_to_metric_families(http.get("/metrics").raise_for_status().text)
    samples = [sample for family in families for sample in family.samples]
    return {(each.name, frozenset(each.labels.items())): each.value for each in samples}


def figure(figures: Figures, name: str, **labels: str) -> float:
    return figures.get((name, frozenset(labels.items())), 0.0)


def transfer(http: httpx.Client, source: str, target: str, amount: int, status: str) -> str:
    transfer = {"source": source, "target": target, "money": money(amount)}
    saga: Json = http.post(f"/sagas/{SAGA}", json=transfer, headers={"Prefer": "wait=60"}).json()
    assert saga["status"] == status, saga
    return str(saga["saga_id"])


def run_sagas(http: httpx.Client) -> str:
    """Three completed, one compensated; one of the first is undone and gets stuck. Gives the id of that."""
    source, target, third = account_with(http, 100), account_with(http, 0), account_with(http, 0)
    saga_id = transfer(http, source, target, 10, "completed")
    transfer(http, target, third, 10, "completed")
    transfer(http, source, target, 5, "completed")
    transfer(http, source, "nobody", 5, "compensated")
    http.post(f"/sagas/{saga_id}/compensate", json={"reason": "a test"}).raise_for_status()
    until(lambda: http.get(f"/sagas/{saga_id}").json()["status"] == "stuck")
    return saga_id


@pytest.fixture
def http(database: Database) -> Iterator[httpx.Client]:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client


def test_what_sagas_did_is_counted(http: httpx.Client) -> None:
    run_sagas(http)
    figures: Figures = {}

    def all_is_seen() -> bool:
        figures.update(scraped(http))
        stuck = figure(figures, "saga_stuck", saga=SAGA, reason="compensation-failed")
        return (stuck, figure(figures, "saga_executors", kind="server", state="alive")) == (1, 1)

    until(all_is_seen)
    assert figure(figures, "saga_sagas", saga=SAGA, status="stuck") == 1
    assert figure(figures, "saga_ended_total", saga=SAGA, status="completed") == 3
    assert figure(figures, "saga_ended_total", saga=SAGA, status="compensated") == 1
    assert figure(figures, "saga_compensating_total", saga=SAGA) >= 1
    assert figure(figures, "saga_compensations_total", saga=SAGA, outcome="succeeded") == 1
    assert figure(figures, "saga_compensations_total", saga=SAGA, outcome="failed") == 1
    assert figure(figures, "saga_became_stuck_total", saga=SAGA, reason="compensation-failed") == 1
    assert figure(figures, "saga_steps_total", saga=SAGA, step="Withdraw", outcome="succeeded") == 4
    assert figure(figures, "saga_steps_total", saga=SAGA, step="Deposit", outcome="rejected") == 1
    assert figure(figures, "saga_step_seconds_count", saga=SAGA, step="Withdraw", kind="execute") == 4
    assert 0 < figure(figures, "saga_step_seconds_sum", saga=SAGA, step="Withdraw", kind="execute") < 240
    assert figure(figures, "saga_append_batch_items_count") > 10
    starts = {"method": "POST", "route": "/sagas/{name}", "status": "200"}
    assert figure(figures, "saga_http_requests_total", **starts) == 4
    assert figure(figures, "saga_follower_parked", follower="sagas", slot="live") == 0
    assert figure(figures, "saga_pool_connections_max", pool="appender") == 1


def test_what_operators_ask_is_counted_once(http: httpx.Client) -> None:
    saga_id = run_sagas(http)
    for _ in range(2):
        http.post(f"/sagas/{saga_id}/abandon", json={"reason": "a test"})
    refused = http.post(f"/sagas/{saga_id}/resume", json={"reason": "a test"})

    figures = scraped(http)

    assert refused.status_code == 409
    assert figure(figures, "saga_operations_total", saga=SAGA, action="compensate") == 1
    assert figure(figures, "saga_operations_total", saga=SAGA, action="abandon") == 1
    assert figure(figures, "saga_operations_total", saga=SAGA, action="resume") == 0
    assert figure(figures, "saga_ended_total", saga=SAGA, status="abandoned") == 1


def test_ids_and_paths_make_no_series(http: httpx.Client) -> None:
    first = set(scraped(http))
    for number in range(50):
        http.get(f"/sagas/nothing-{number}")
        http.get(f"/no/such/route/{number}")
        http.request(f"MAKE{number}", "/sagas")

    more = {name for name, _ in set(scraped(http)) - first}

    routes = [dict(labels).get("route", "") for _, labels in scraped(http)]
    assert not [route for route in routes if "nothing" in route or "such" in route]
    assert len(set(scraped(http)) - first) < 120, more


def test_the_page_has_a_row_for_every_metric(http: httpx.Client) -> None:
    run_sagas(http)
    text = http.get("/metrics").raise_for_status().text
    served = {one.name: one for one in text_string_to_metric_families(text) if one.name.startswith("saga_")}
    rows = {row[0]: row for row in _ROW.findall(page("docs/operations/observe.md").text)}

    assert {name: one.type for name, one in served.items()} == {name: row[1] for name, row in rows.items()}
    for name, one in served.items():
        labels = {label for sample in one.samples for label in sample.labels} - {"le"}
        assert labels <= set(re.findall(r"`(\w+)`", rows[name][2])), name


def test_with_tokens_it_wants_one(postgres_server: EmbeddedPostgres, template_database: str) -> None:
    with fresh(postgres_server, template_database, "metrics_secured") as (url, owner_url):
        with serving(url, owner_url) as server:
            secured = Secured(server, url, owner_url)
            reader = secured.as_role(Role.READER)
            until(lambda: secured.client().get("/metrics").status_code == 401)
            assert reader.get("/metrics").status_code == 200
            secured.close()
        with serving(url, owner_url, SAGA_METRICS_OPEN="true") as server:
            assert httpx.get(f"{server.url}/metrics").status_code == 200
            assert httpx.get(f"{server.url}/executors").status_code == 401
