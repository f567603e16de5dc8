"""docs/your-first-saga.md: its commands, on a real server that is killed in the middle."""

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.docs.pages import page
from tests.docs.shell import typed_into_a_shell
from tests.docs.trip.book_trip import BOOK_TRIP
from tests.recovery.launcher import Server, serving
from workflows.sagas import SAGAS

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

COMMANDS = [
    block.text
    for block in page("docs/your-first-saga.md").blocks
    if block.language == "sh" and "saga serve" not in block.text
]
DEFINITIONS = COMMANDS[0].partition("for ")[0]


def serve_book_trip() -> None:
    SAGAS.append(BOOK_TRIP)


def run(commands: str, server: Server) -> str:
    return typed_into_a_shell(DEFINITIONS + commands, server.url)


def status(server: Server) -> str:
    answer = httpx.get(f"{server.url}/sagas/trip-t1").raise_for_status().json()
    return str(answer["status"])


def test_the_commands_of_the_page_do_what_it_says(database: Database) -> None:
    provide, book, approve = COMMANDS

    with serving(database, serve_book_trip) as server:
        run(provide, server)
        run(book, server)
        until(lambda: status(server) == "waiting")
        server.kill()
    with serving(database, serve_book_trip) as server:
        journal = run(approve, server)

        assert status(server) == "completed"
        assert "SignalReceived" in journal
        assert journal.count("RunStarted") == 2
        accounts = httpx.get(f"{server.url}/aggregates/account/agency").json()
        assert accounts["state"]["balance"] == 90000
