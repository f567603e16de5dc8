"""What the pages read is bounded, however long the log and the lists are: by the plans, not by the clock."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from app.console.log import queries
from app.console.overview import _ENDED, _REQUESTED, LATEST_SAGAS, MINUTES
from app.embedded import EmbeddedPostgres
from app.observing.cluster import OPEN_SAGAS
from app.readmodels.sagas import SAGAS, SORT, SagaFilter
from tests.acceptance.secured import fresh

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EVENTS = 60_000
STREAMS = 3_000
SAGA_ROWS = 20_000
FILL = f"""
    insert into eventstore.events
           (position, commit_position, stream, version, event_id, type, schema_version, data, metadata,
            recorded_at)
    select n, n, 'saga-s' || lpad((n % {STREAMS})::text, 5, '0'), 1 + n / {STREAMS},
           ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
           (array['RunStarted', 'StepSucceeded', 'Tagged'])[1 + n % 3], 1,
           jsonb_build_object('run', n / {STREAMS}, 'executor', 'executor-' || n % 7),
           jsonb_build_object('correlation_id', 'c' || n % 100, 'causation_id', 'e' || n % 100), now()
      from generate_series(1, {EVENTS}) as n;
    insert into readmodels.sagas (saga_id, position, name, status, named_run, updated_at, summary)
    select 's' || n, n, 'toy', case when n % 1000 = 0 then 'stuck' else 'completed' end, 1,
           now() - n * interval '0.1 s',
           jsonb_build_object('saga_version', 1, 'correlation_id', 'c' || n,
                              'requested_at', now() - n * interval '0.1 s')
      from generate_series(1, {SAGA_ROWS}) as n;
    analyze eventstore.events;
    analyze readmodels.sagas"""
ANYTHING = {"category": None, "types": None, "correlation": None}
NOWHERE = {**ANYTHING, "types": ["NeverHappened"]}
LOG: list[tuple[str, dict[str, Any], int]] = [
    (queries._STREAMS, {"begins": "saga-", "after": "saga-s00777", "limit": 51}, 52),
    (queries._NEWEST, {"safe": EVENTS, "limit": 10}, queries.WINDOW_EVENTS),
    (queries._BACKWARDS, {"from": EVENTS, "safe": EVENTS, "limit": 51, **ANYTHING}, queries.WINDOW_EVENTS),
    (queries._BACKWARDS, {"from": EVENTS, "safe": EVENTS, "limit": 51, **NOWHERE}, queries.WINDOW_EVENTS),
    (queries._FORWARDS, {"from": 7, "safe": EVENTS, "limit": 51, **NOWHERE}, queries.WINDOW_EVENTS),
    (queries._TAKEOVERS, {"safe": EVENTS, "type": "RunStarted", "prefix": 6}, queries.WINDOW_EVENTS),
    (queries._CAUSED, {"after": 7, "safe": EVENTS, "event_id": "none"}, queries.LATER_EVENTS),
    (queries._BESIDE, {"low": 29_000, "commit": 30_000}, 1_000),
]
HOUR = {"within": timedelta(minutes=MINUTES), "limit": LATEST_SAGAS}


@pytest.fixture(scope="module")
def connection(
    postgres_server: EmbeddedPostgres, template_database: str
) -> Iterator[psycopg.Connection[Any]]:
    with (
        fresh(postgres_server, template_database, "console_plans") as (_, owner),
        psycopg.connect(owner, autocommit=True) as connection,
    ):
        connection.execute(FILL.encode())
        yield connection


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", []) for node in nodes(inner))]


def scans(
    connection: psycopg.Connection[Any], table: str, query: bytes, parameters: Any
) -> list[dict[str, Any]]:
    """The nodes of the plan that read the table, run on real rows."""
    explain = b"explain (analyze, format json) " + query
    [[document]] = connection.execute(explain, parameters).fetchall()
    found = [node for node in nodes(document[0]["Plan"]) if node.get("Relation Name") == table]
    assert found
    return found


def rows(scan: dict[str, Any]) -> float:
    read: float = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
    return read * scan["Actual Loops"]


@pytest.mark.parametrize(("query", "parameters", "most"), LOG)
def test_a_page_of_the_log_reads_its_window_and_no_more(
    connection: psycopg.Connection[Any], query: str, parameters: dict[str, Any], most: int
) -> None:
    for scan in scans(connection, "events", query.encode(), parameters):
        assert scan["Node Type"] in ("Index Scan", "Index Only Scan"), scan
        assert rows(scan) <= most, scan


@pytest.mark.parametrize(
    ("query", "parameters", "most"),
    [(_REQUESTED, HOUR, LATEST_SAGAS), (_ENDED, HOUR, LATEST_SAGAS), (OPEN_SAGAS, {}, 20)],
)
def test_the_overview_counts_the_latest_and_the_open_ones(
    connection: psycopg.Connection[Any], query: str, parameters: dict[str, Any], most: int
) -> None:
    for scan in scans(connection, "sagas", query.encode(), parameters):
        assert scan["Node Type"] != "Seq Scan", scan
        assert rows(scan) <= most, scan


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        (SagaFilter(), 51),
        (SagaFilter(status="stuck"), 20),
        (SagaFilter(ids=[f"s{n}" for n in range(500)], name="toy"), 500),
    ],
    ids=["all", "stuck", "ids"],
)
def test_the_list_and_what_is_acted_on_read_their_page(
    connection: psycopg.Connection[Any], wanted: SagaFilter, most: int
) -> None:
    query, parameters = SAGAS.statement(wanted.given(), SORT, 50 if most == 51 else 500)
    for scan in scans(connection, "sagas", query, parameters):
        assert scan["Node Type"] != "Seq Scan", scan
        assert rows(scan) <= most, scan
