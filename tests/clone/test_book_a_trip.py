"""docs/book-a-trip.md, from its first command to its last, in a clone of its own."""

from pathlib import Path

import pytest

from tests.acceptance.server import serving_as
from tests.clone.cloning import BIN, clone_into, done
from tests.conftest import Database
from tests.docs.pages import ROOT, page

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1200)]

PAGE = page("docs/book-a-trip.md")
COMMANDS = [block.text for block in PAGE.blocks if block.language == "sh"]
[BOOKED] = [block.text for block in PAGE.blocks if block.language == "text"]
FILES = {
    "flight.txt": "domain/flight.py",
    "test_flight.txt": "tests/unit/domain/test_flight.py",
    "plan_trip.txt": "workflows/plan_trip.py",
    "test_plan_trip.txt": "tests/unit/workflows/test_plan_trip.py",
}


def typed(clone: Path, commands: str, **settings: str) -> str:
    """What a reader types, as if `make setup` had been there, and what it prints."""
    script = commands.replace(".venv/bin/", f"{BIN}/").replace(
        "make ", f"make -o .venv/.installed BIN={BIN} "
    )
    return done(clone, "bash", "-euc", script, **settings)


def test_the_page_leads_to_a_trip_that_is_booked_and_called_off(tmp_path: Path, database: Database) -> None:
    new, test, freeze_and_check, serve, book, contend, call_off = COMMANDS
    assert serve == ".venv/bin/saga serve\n"
    clone = clone_into(tmp_path)

    typed(clone, new)
    for source, target in FILES.items():
        assert (clone / target).exists()  # it is written by the commands of the page
        (clone / target).write_text((ROOT / "tests/docs/book_a_trip" / source).read_text())
    assert "failed" not in typed(clone, test)
    assert "events: FlightOpened version 1 is new" in typed(clone, freeze_and_check)

    assert "/sagas/plan-trip" in (clone / "docs/reference/api-routes.md").read_text()

    urls = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}
    with serving_as(clone, PYTHONPATH=str(clone), **urls) as server:

        def typed_here(commands: str) -> list[str]:
            commands = commands.replace("localhost:8000", server.url.removeprefix("http://"))
            return words(typed(clone, commands, SAGA_URL=server.url))

        assert typed_here(book)[-6:] == words(BOOKED)
        contended = typed_here(contend)
        assert contended[:2] == ["plan-trip-t2 plan-trip compensated", "taken at step 3.1: fiat is taken"]
        assert "plan-trip-t3 plan-trip completed" in contended
        assert 'result: {"trip_id": "t3", "hotel_room": "sea-8"}' in contended
        called_off = typed_here(call_off)
        assert any(line.startswith("3.1 ReserveCar ReleaseCar") for line in called_off)
        assert 'taken {"t3": 1}' in called_off


def words(printed: str) -> list[str]:
    """The lines without the widths of their columns."""
    return [" ".join(line.split()) for line in printed.splitlines()]
