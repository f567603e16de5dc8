"""The real kernel under thousands of schedules; each is repeated exactly by its seed."""

import os
import subprocess
import sys
from dataclasses import astuple

import pytest

from tests.simulation.__main__ import show
from tests.simulation.schedule import Schedule, run
from tests.simulation.shrinking import shrink

SEEDS = 1_500
PARTS = 10


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_breaks_a_rule(part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        figures = run(seed)
        if figures.violations:
            smaller, size, found = shrink(seed, Schedule(seed).size)
            show(found)
            replay = f"python -m tests.simulation {smaller} --size {','.join(map(str, astuple(size)))}"
            pytest.fail(f"{found.violations[0]}\n{replay}\npython -m tests.simulation {seed}")


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
