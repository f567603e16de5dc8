"""What a server takes: how deep, how often, and from whose pages."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import serving, unique
from tests.conftest import fresh_database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SHOP = {"Origin": "https://shop.example"}
PREFLIGHT = {**SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "If-Match"}


@pytest.fixture(scope="module")
def bounded(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[httpx.Client]:
    """Of a server that takes one request a second, and pages of one shop."""
    settings = {
        "SAGA_REQUESTS_PER_SECOND_MAX": "1",
        "SAGA_CORS_ORIGINS": "https://shop.example,https://desk.example",
    }
    with (
        fresh_database(postgres_server, template_database) as database,
        serving(database.url, database.owner_url, **settings) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        yield http


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {"currency": "USD"}
    for _ in range(levels - 1):
        document = {"more": document}
    return document


@pytest.mark.parametrize(("levels", "field"), [(65, "body"), (500, "body"), (64, "currency")])
def test_a_body_is_so_deep_at_most(http: httpx.Client, levels: int, field: str) -> None:
    answer = http.post(f"/aggregates/account/{unique('deep')}/open-account", json=nested(levels))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_lists_have_levels_too_and_width_has_none(http: httpx.Client) -> None:
    deep = '{"currency": ' + "[" * 64 + "]" * 64 + "}"
    wide = {"currency": "USD", "more": [[] for _ in range(200)]}

    answers = [
        http.post(
            f"/aggregates/account/{unique('wide')}/open-account",
            content=deep,
            headers={"Content-Type": "application/json"},
        ),
        http.post(f"/aggregates/account/{unique('wide')}/open-account", json=wide),
    ]

    assert [answer.json()["errors"][0]["field"] for answer in answers] == ["body", "more"]


def test_no_page_of_another_origin_may_call_unless_it_is_named(http: httpx.Client) -> None:
    asked = http.options("/sagas/bulk", headers=PREFLIGHT)
    read = http.get("/sagas", headers=SHOP)

    assert asked.status_code == 405
    assert not [name for name in (*asked.headers, *read.headers) if name.startswith("access-control")]


def test_no_answer_is_taken_for_something_else_by_its_looks(http: httpx.Client) -> None:
    for path in ("/sagas", "/sagas/nobody", "/no/such/route", "/console", "/metrics"):
        assert http.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_pages_of_an_origin_that_is_named_may_call_and_others_not(bounded: httpx.Client) -> None:
    asked = bounded.options("/sagas/bulk", headers=PREFLIGHT)
    read = bounded.get("/health/live", headers=SHOP)
    other = bounded.get("/health/live", headers={"Origin": "https://elsewhere.example"})

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == SHOP["Origin"]
    assert read.headers["access-control-allow-origin"] == SHOP["Origin"]
    assert "Saga-Position" in read.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers


def test_who_asks_too_often_is_told_when_to_ask_again(bounded: httpx.Client) -> None:
    answers = [bounded.get("/sagas") for _ in range(12)]

    refused = answers[-1]
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    assert int(refused.headers["Retry-After"]) >= 1
    assert answers[0].status_code == 200
    assert bounded.get("/health/ready").status_code == 200


def test_what_a_path_takes_is_said_of_all_its_routes(http: httpx.Client) -> None:
    answer = http.delete("/sagas/some-saga")

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
