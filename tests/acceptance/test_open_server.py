"""A server that asks nobody who they are, and the pages of others in a browser on its machine."""

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest

from app.embedded import EmbeddedPostgres
from app.security.roles import Role
from app.security.token_table import create_token
from tests.acceptance.secured import Secured, fresh, secured_server
from tests.acceptance.server import account_with, serving, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def secured(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Secured]:
    with secured_server(postgres_server, template_database, "open_server") as found:
        yield found


FOREIGN = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "10.0.0.1",
    "0.0.0.0",
    "127.0.0.1.evil.example",
    "[fe80::1]",
]
OWN = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.2:1", "[::1]:8000", "saga.localhost"]


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_was_made_to_lead_here_is_not_answered(http: httpx.Client, host: str) -> None:
    for method, path in [
        ("GET", "/sagas"),
        ("POST", "/sagas/transfer-funds"),
        ("GET", "/docs"),
        ("GET", "/nowhere"),
    ]:
        answer = http.request(method, path, headers={"Host": host}, json={} if method == "POST" else None)

        assert (answer.status_code, answer.json()["code"]) == (421, "wrong-host")


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine_are_answered(http: httpx.Client, host: str) -> None:
    assert http.get("/sagas", headers={"Host": host}).status_code == 200


def test_health_is_told_under_any_name(http: httpx.Client) -> None:
    assert http.get("/health/live", headers={"Host": "evil.example"}).status_code == 200


def test_where_a_token_is_asked_for_the_name_does_not_matter(secured: Secured) -> None:
    client = secured.as_role(Role.READER)

    assert client.get("/sagas", headers={"Host": "sagas.example"}).status_code == 200


def test_the_page_of_the_document_loads_nothing_from_elsewhere(http: httpx.Client) -> None:
    page = http.get("/docs")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "<script>" not in page.text
    assert len(parts) > 3
    for part in parts:
        if part != "data:,":
            assert not re.match(r"(\w+:)?//", part)
            assert http.get(f"/{part}").status_code == 200
    assert http.get("/docs/..%2Fcore.py").status_code == 404
    assert http.get("/docs/core.py").status_code == 404
    assert http.get("/redoc").status_code == 404


def test_a_stream_that_nobody_had_to_sign_in_for_ends_once_there_is_a_token(
    postgres_server: EmbeddedPostgres, template_database: str
) -> None:
    with (
        fresh(postgres_server, template_database, "open_stream") as (url, owner_url),
        serving(url, owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as anybody,
    ):
        account = account_with(anybody, 5)
        with anybody.stream("GET", "/events/follow", params={"after": 0}) as stream:
            lines = stream.iter_lines()
            assert any(account in line for line in lines)

            token = asyncio.run(create_token(owner_url, "first", Role.ADMIN, None, None))
            until(lambda: httpx.get(f"{server.url}/sagas").status_code == 401)
            rest = list(lines)

        assert len(rest) < 1_000_000  # it came to its end
        shown = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.url}/sagas", headers=shown).status_code == 200
