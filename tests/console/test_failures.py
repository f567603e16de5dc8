"""What fails without anybody having expected it is a page, too, and one line of the log."""

import asyncio
import json

import httpx
import psycopg
import pytest

from app.security.roles import Role
from app.security.token_table import create_token
from tests.acceptance.server import account_with, money, serving, start, until
from tests.conftest import Database, PrivateServer
from tests.console.pages import HTML

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

BREAK = """
    update readmodels.sagas
       set summary = jsonb_set(summary, '{ended_at}', '"<script>alert(1)</script>"')"""
"""No code of ours writes such a row: the list cannot be read any more."""


def page_of(answer: httpx.Response, status: int) -> None:
    """It is an error page, as safe as all pages of the console."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-correlation-id"] in answer.text


def test_a_row_that_cannot_be_read_is_a_page_and_one_line_of_the_log(database: Database) -> None:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        body = {"source": account_with(http, 10), "target": account_with(http, 0), "money": money(1)}
        start(http, "transfer-funds", body).raise_for_status()
        # Else the read model would take in the end of the saga later, and mend the row.
        until(lambda: [row["status"] for row in http.get("/sagas").json()["sagas"]] == ["completed"])
        with psycopg.connect(database.url) as connection:
            connection.execute(BREAK)

        shown = http.get("/console/sagas", headers={**HTML, "X-Correlation-Id": "broken-row"})
        document = http.get("/console/sagas")
        refused = http.get("/console/sagas", headers={**HTML, "X-Correlation-Id": "no id"})

        page_of(shown, 500)
        assert "broken-row" in shown.text
        assert "<script>alert" not in shown.text
        assert (document.status_code, document.json()["code"]) == (500, "internal")
        assert "default-src 'none'" in document.headers["content-security-policy"]
        page_of(refused, 422)
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if "broken-row" in line]
        assert [(line["event"], line["path"]) for line in lines] == [("request failed", "/console/sagas")]
        assert "Exception in ASGI application" not in server.log.read_text()


def test_a_session_is_told_on_a_page_that_the_database_is_away(private_server: PrivateServer) -> None:
    urls = private_server.urls
    token = asyncio.run(create_token(urls.owner, "reader", Role.READER, None, None))
    with (
        serving(urls.app, urls.owner, SAGA_REQUEST_SECONDS_MAX="5") as server,
        httpx.Client(base_url=server.url, timeout=60) as browser,
    ):
        until(lambda: browser.post("/console/login", data={"token": token}).status_code == 303)
        private_server.stop()

        page_of(browser.get("/console", headers=HTML), 503)

        private_server.start()
        until(lambda: browser.get("/console", headers=HTML).status_code == 200)
