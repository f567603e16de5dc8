"""The same schedules on Postgres: the in-memory store is not trusted blindly."""

import pytest

from tests.conftest import Database
from tests.simulation.exploring import commands
from tests.simulation.postgres import real_store
from tests.simulation.twins import run_on

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SEEDS = 250
PARTS = 10


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS // PARTS))
def test_the_stores_agree_and_no_rule_is_broken(first: int, database: Database) -> None:
    with real_store(database.url, database.admin_url) as real:
        for seed in range(first, first + SEEDS // PARTS):
            found = run_on(real, seed).violations
            assert not found, f"{found[0]}\n{commands(seed, '--postgres')}"

        assert real.calls < real.items, "no call had two items"
        assert real.breaks, "no connection broke"


def test_a_seed_is_one_schedule_in_any_database(database: Database) -> None:
    with real_store(database.url, database.admin_url) as real:
        first = [run_on(real, seed).trace for seed in range(5)]
        again = [run_on(real, seed).trace for seed in range(5)]

    assert [unnamed(trace, 1 + place) for place, trace in enumerate(first)] == [
        unnamed(trace, 6 + place) for place, trace in enumerate(again)
    ]


def unnamed(trace: list[tuple[float, str]], world: int) -> list[tuple[float, str]]:
    """Without what the names of the world's sagas begin with."""
    return [(seconds, text.replace(f"w{world}-", "")) for seconds, text in trace]
