"""The real kernel under tens of thousands of schedules; each is repeated exactly by its seed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.exploring import CHUNK, commands, processes, try_seeds
from tests.simulation.schedule import run

SEEDS = 20_000
PARTS = 20
FIRST_SEEDS = range(0, SEEDS, SEEDS // PARTS)
ONCE_BROKEN = (
    7004,
    190505,
    216807,
    477322,
    2179226,
    2189739,
    2252887,
    2389649,
    2428303,
    2498559,
    2511464,
    2511556,
    2637875,
)
"""See docs/reliability.md."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with processes(os.cpu_count() or 1) as pool:
        yield pool


@pytest.mark.slow
@pytest.mark.parametrize("first", FIRST_SEEDS)
def test_no_schedule_breaks_a_rule(first: int, pool: ProcessPoolExecutor) -> None:
    chunks = [range(seed, seed + CHUNK) for seed in range(first, first + SEEDS // PARTS, CHUNK)]

    tallies = list(pool.map(try_seeds, chunks))

    findings = [finding for tally in tallies for finding in tally.findings]
    assert not findings, "\n".join(f"{violation}\n{commands(seed)}" for seed, violation in findings)
    assert sum(tally.schedules for tally in tallies) == SEEDS // PARTS


@pytest.mark.parametrize("seed", ONCE_BROKEN)
def test_what_was_mended_stays_so(seed: int) -> None:
    assert run(seed).violations == []


@pytest.mark.slow
def test_a_seed_is_one_schedule_in_any_process() -> None:
    """Whatever order Python gives to sets."""
    code = "from tests.simulation.schedule import run; print(*(run(seed).digest for seed in range(12)))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert digests == {" ".join(run(seed).digest for seed in range(12)) + "\n"}
